# Use the AWS CLI, with the variables of endpoints.py.
s3api() { aws --endpoint-url "$S3_ENDPOINT" s3api "$@"; }
s3() { aws --endpoint-url "$S3_ENDPOINT" s3 "$@"; }
printf hello > small
s3 cp --no-progress --metadata color=red --content-type text/plain small "s3://$S3_BUCKET/cli/a b"
s3 cp --no-progress "$S3_BIG_FILE" "s3://$S3_BUCKET/cli/big"
s3 cp --no-progress "s3://$S3_BUCKET/cli/big" received
cmp "$S3_BIG_FILE" received
printf streamed | s3 cp - "s3://$S3_BUCKET/cli/stream"
[ "$(s3 cp "s3://$S3_BUCKET/cli/stream" -)" = streamed ]
s3api get-object --bucket "$S3_BUCKET" --key "cli/a b" --range bytes=1-2 part
[ "$(cat part)" = el ]
[ "$(s3api head-object --bucket "$S3_BUCKET" --key "cli/a b" --query Metadata.color --output text)" = red ]
s3 cp --no-progress "s3://$S3_BUCKET/cli/a b" "s3://$S3_BUCKET/cli/copy"
s3 cp --no-progress "s3://$S3_BUCKET/cli/big" "s3://$S3_BUCKET/cli/copied in parts"
s3 mv --no-progress "s3://$S3_BUCKET/cli/copy" "s3://$S3_BUCKET/cli/moved"
[ "$(s3 ls "s3://$S3_BUCKET/cli/" | wc -l)" = 5 ]
s3 ls | grep "$S3_BUCKET" >/dev/null
url=$(s3 presign --expires-in 60 "s3://$S3_BUCKET/cli/moved")
[ "$(curl --fail --silent --cacert "$SSL_CERT_FILE" "$url")" = hello ]
mkdir -p folder && printf 1 > folder/1 && printf 2 > folder/2
s3 sync --no-progress folder "s3://$S3_BUCKET/cli/sync"
s3 sync --no-progress "s3://$S3_BUCKET/cli/sync" back
cmp folder/1 back/1
s3api put-object-tagging --bucket "$S3_BUCKET" --key cli/moved --tagging 'TagSet=[{Key=a,Value=b}]'
[ "$(s3api get-object-tagging --bucket "$S3_BUCKET" --key cli/moved --query 'TagSet[0].Value' --output text)" = b ]
s3 rm "s3://$S3_BUCKET/cli/moved"
s3api delete-objects --bucket "$S3_BUCKET" --delete 'Objects=[{Key=cli/stream},{Key=cli/big}]'
s3 rm --recursive "s3://$S3_BUCKET/cli/"
[ "$(s3api list-objects-v2 --bucket "$S3_BUCKET" --prefix cli/ --query Contents)" = null ]
