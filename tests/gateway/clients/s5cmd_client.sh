# Use s5cmd, with the variables of endpoints.py. It reads the authority from AWS_CA_BUNDLE.
s5() { s5cmd --endpoint-url "$S3_ENDPOINT" "$@"; }
printf hello > small
s5 cp --metadata color=red --content-type text/plain small "s3://$S3_BUCKET/s5/a b"
s5 cp --part-size 5 "$S3_BIG_FILE" "s3://$S3_BUCKET/s5/big"
s5 cp --part-size 5 --concurrency 3 "s3://$S3_BUCKET/s5/big" received
cmp "$S3_BIG_FILE" received
[ "$(s5 cat "s3://$S3_BUCKET/s5/a b")" = hello ]
s5 head "s3://$S3_BUCKET/s5/a b" | grep '"color":"red"\|"Color":"red"' >/dev/null
s5 cp "s3://$S3_BUCKET/s5/a b" "s3://$S3_BUCKET/s5/copy"
s5 mv "s3://$S3_BUCKET/s5/copy" "s3://$S3_BUCKET/s5/moved"
[ "$(s5 ls "s3://$S3_BUCKET/s5/" | wc -l)" = 3 ]
s5 du "s3://$S3_BUCKET/s5/*" | grep '3 objects' >/dev/null
url=$(s5 presign --expire 1m "s3://$S3_BUCKET/s5/moved")
[ "$(curl --fail --silent --cacert "$SSL_CERT_FILE" "$url")" = hello ]
mkdir -p folder && printf 1 > folder/1 && printf 2 > folder/2
s5 sync folder/ "s3://$S3_BUCKET/s5/sync/"
[ "$(s5 ls "s3://$S3_BUCKET/s5/sync/" | wc -l)" = 2 ]
s5 rm "s3://$S3_BUCKET/s5/moved"
s5 rm "s3://$S3_BUCKET/s5/*"
! s5 ls "s3://$S3_BUCKET/s5/*"
