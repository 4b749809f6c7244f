# Use s3cmd, with the variables of endpoints.py.
address=${S3_ENDPOINT#*://}
cat > s3cmd.conf <<END
[default]
access_key = $AWS_ACCESS_KEY_ID
secret_key = $AWS_SECRET_ACCESS_KEY
access_token = $AWS_SESSION_TOKEN
host_base = $address
host_bucket = $address
bucket_location = eu-test-1
use_https = $([ "${S3_ENDPOINT%%:*}" = https ] && echo True || echo False)
ca_certs_file = $SSL_CERT_FILE
multipart_chunk_size_mb = 5
END
s3() { s3cmd --config s3cmd.conf --no-progress "$@"; }
root=s3://$S3_BUCKET/s3cmd
printf hello > small
s3 put --add-header x-amz-meta-color:red --mime-type text/plain small "$root/a b"
s3 put "$S3_BIG_FILE" "$root/big"
s3 get "$root/big" received
cmp "$S3_BIG_FILE" received
s3 get "$root/a b" back
cmp small back
s3 info "$root/a b" | grep 'x-amz-meta-color: *red' >/dev/null
s3 cp "$root/a b" "$root/copy"
s3 mv "$root/copy" "$root/moved"
[ "$(s3 ls "$root/" | wc -l)" = 3 ]
s3 ls | grep "$S3_BUCKET" >/dev/null
mkdir -p folder && printf 1 > folder/1 && printf 2 > folder/2
s3 sync folder/ "$root/sync/"
s3 du "$root/" | grep '5 objects' >/dev/null
s3 del "$root/moved"
s3 del --recursive --force "$root/"
[ -z "$(s3 ls --recursive "$root/")" ]
