// Use the AWS SDK for JavaScript v3, with the variables of endpoints.py. DAYPASS_NODE_PACKAGES has the packages.
import assert from "node:assert/strict";
import { createReadStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.DAYPASS_NODE_PACKAGES}/package.json`);
const s3 = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

const { S3_BUCKET: Bucket, S3_BIG_FILE: big, S3_ENDPOINT: endpoint } = process.env;
const settings = { endpoint, region: "eu-test-1", forcePathStyle: true };
const client = new s3.S3Client(settings);
const send = (name, parameters) => client.send(new s3[`${name}Command`]({ Bucket, ...parameters }));
const text = async (answer) => answer.Body.transformToString();

await send("PutObject", { Key: "js/a b+ü", Body: "hello", Metadata: { color: "red" }, ContentType: "text/plain" });
const answer = await send("GetObject", { Key: "js/a b+ü" });
assert.equal(await text(answer), "hello");
assert.deepEqual(answer.Metadata, { color: "red" });
assert.equal(await text(await send("GetObject", { Key: "js/a b+ü", Range: "bytes=1-2" })), "el");
assert.equal((await send("HeadObject", { Key: "js/a b+ü" })).ContentLength, 5);
const content = readFileSync(big);
await send("PutObject", { Key: "js/stream", Body: createReadStream(big), ContentLength: content.length });
await new Upload({ client, params: { Bucket, Key: "js/big", Body: createReadStream(big) } }).done();
for (const Key of ["js/stream", "js/big"]) {
  const bytes = await (await send("GetObject", { Key })).Body.transformToByteArray();
  assert.equal(Buffer.compare(content, bytes), 0);
}
await send("CopyObject", { Key: "js/copy", CopySource: encodeURI(`${Bucket}/js/a b+ü`).replace("+", "%2B") });
await send("PutObjectTagging", { Key: "js/copy", Tagging: { TagSet: [{ Key: "a", Value: "b" }] } });
assert.deepEqual((await send("GetObjectTagging", { Key: "js/copy" })).TagSet, [{ Key: "a", Value: "b" }]);
const listed = (await send("ListObjectsV2", { Prefix: "js/" })).Contents.map((one) => one.Key);
assert.deepEqual(listed, ["js/a b+ü", "js/big", "js/copy", "js/stream"]);

const get = await getSignedUrl(client, new s3.GetObjectCommand({ Bucket, Key: "js/copy" }), { expiresIn: 60 });
assert.equal(await (await fetch(get)).text(), "hello");
const parameters = { Bucket, Key: "js/put", Metadata: { color: "blue" } };
// By default, the SDK signs the checksum of an empty body into the URL, and S3 refuses any other body.
const empty = await getSignedUrl(client, new s3.PutObjectCommand(parameters), { expiresIn: 60 });
assert.match(await (await fetch(empty, { method: "PUT", body: "by URL" })).text(), /<Code>BadDigest</);
const signer = new s3.S3Client({ ...settings, requestChecksumCalculation: "WHEN_REQUIRED" });
const put = await getSignedUrl(signer, new s3.PutObjectCommand(parameters), { expiresIn: 60 });
const uploaded = await fetch(put, { method: "PUT", body: "by URL" });
assert.equal(uploaded.status, 200, await uploaded.text());
assert.equal(await text(await send("GetObject", { Key: "js/put" })), "by URL");

await send("DeleteObject", { Key: "js/put" });
const deleted = await send("DeleteObjects", { Delete: { Objects: listed.map((Key) => ({ Key })) } });
assert.equal(deleted.Deleted.length, 4);
assert.equal((await send("ListObjectsV2", { Prefix: "js/" })).KeyCount, 0);
await assert.rejects(send("GetObject", { Key: "js/none" }), { name: "NoSuchKey" });
