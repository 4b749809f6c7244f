# Use rclone, with the variables of endpoints.py.
export RCLONE_CONFIG_GW_TYPE=s3 RCLONE_CONFIG_GW_PROVIDER=Other RCLONE_CONFIG_GW_ENV_AUTH=true
export RCLONE_CONFIG_GW_ENDPOINT=$S3_ENDPOINT RCLONE_CONFIG_GW_REGION=eu-test-1 RCLONE_CONFIG=$PWD/rclone.conf
export RCLONE_RETRIES=1 RCLONE_LOW_LEVEL_RETRIES=1 RCLONE_S3_CHUNK_SIZE=5Mi RCLONE_S3_UPLOAD_CUTOFF=6Mi
touch rclone.conf
[ "${S3_ENDPOINT%%:*}" = http ] || export RCLONE_CA_CERT=$SSL_CERT_FILE
root=gw:$S3_BUCKET/rclone
mkdir -p folder/deep && printf hello > "folder/a b" && printf 2 > "folder/deep/ü+" && cp "$S3_BIG_FILE" folder/big
rclone copy --metadata --metadata-set color=red folder "$root/one"
rclone check --download folder "$root/one"
rclone copy "$root/one" back
cmp folder/big back/big
[ "$(rclone cat "$root/one/a b")" = hello ]
[ "$(rclone cat --offset 1 --count 2 "$root/one/a b")" = el ]
rclone lsjson --metadata "$root/one" | grep '"color":"red"' >/dev/null
printf streamed | rclone rcat "$root/one/stream"
rclone copy "$root/one" "$root/two"
rclone moveto "$root/two/a b" "$root/two/moved"
[ "$(rclone lsf --recursive --files-only "$root/two" | wc -l)" = 4 ]
rclone lsd "gw:" | grep "$S3_BUCKET" >/dev/null
rclone sync folder "$root/two"
[ "$(rclone lsf --recursive --files-only "$root/two" | wc -l)" = 3 ]
url=$(rclone link --expire 1m "$root/one/a b")
[ "$(curl --fail --silent --cacert "$SSL_CERT_FILE" "$url")" = hello ]
rclone deletefile "$root/one/stream"
rclone purge "$root/one"
rclone delete "$root/two"
[ -z "$(rclone lsf --recursive --files-only "gw:$S3_BUCKET" --include '/rclone/**')" ]
