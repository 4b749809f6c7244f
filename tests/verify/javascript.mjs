// Signs requests to a service of one's own with the JavaScript SDK's signer, and sends them with fetch.
import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";

class Sha256 {
  constructor(secret) {
    this.hash = secret ? createHmac("sha256", secret) : createHash("sha256");
  }
  update(data) {
    this.hash.update(data);
  }
  async digest() {
    return this.hash.digest();
  }
}

const { SERVICE_URL, ACCESS_KEY_ID: accessKeyId, SECRET_ACCESS_KEY: secretAccessKey, SESSION_TOKEN } = process.env;
const sessionToken = SESSION_TOKEN || undefined;
const signer = new SignatureV4({
  service: "inventory",
  region: "us-east-1",
  credentials: { accessKeyId, secretAccessKey, sessionToken },
  sha256: Sha256,
});
const { protocol, hostname, port, host } = new URL(SERVICE_URL);
const base = { protocol, hostname, port: Number(port), headers: { host } };

async function send(method, path, query, body) {
  const signed = await signer.sign({ ...base, method, path, query, body });
  const target = `${SERVICE_URL}${path}${Object.keys(query).length ? "?" + new URLSearchParams(query) : ""}`;
  delete signed.headers.host; // fetch sets it
  const response = await fetch(target, { method, headers: signed.headers, body });
  return { status: response.status, ...(await response.json()) };
}

async function presigned(path) {
  const signed = await signer.presign({ ...base, method: "GET", path, query: {} }, { expiresIn: 60 });
  const response = await fetch(`${SERVICE_URL}${path}?${new URLSearchParams(signed.query)}`);
  return { status: response.status, ...(await response.json()) };
}

console.log(
  JSON.stringify({
    get: await send("GET", "/items/42", {}),
    query: await send("GET", "/items/a%20b", { color: "red", q: "a/b" }),
    put: await send("PUT", "/items/42", {}, '{"count": 1}'),
    presigned: await presigned("/items/42"),
    denied: await send("GET", "/items/secret", {}),
  }),
);
