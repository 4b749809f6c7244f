// An OpenID provider that somebody else wrote, with its own login and consent pages. What it says begins with "> ", and
// first comes its address. A line "client" with the metadata of a client as JSON registers this client alone.
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import https from "node:https";
import { createInterface } from "node:readline";
import { Provider } from "oidc-provider";

const pem = readFileSync(process.env.IDENTITY);
const server = https.createServer({ key: pem, cert: pem });
await new Promise((done) => server.listen(0, "localhost", done));
const url = `https://localhost:${server.address().port}`;
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
const jwks = { keys: [{ ...key, use: "sig", alg: "RS256" }] };
let provider;
const seen = [];

function make(client) {
  provider = new Provider(url, {
    jwks,
    clients: [client],
    claims: { openid: ["sub"], email: ["email"] },
    conformIdTokenClaims: false,
    cookies: { keys: ["a test"] },
    // Without its guard against addresses of this machine, where the client's keys are.
    fetch: (address, { dispatcher, ...rest }) => fetch(address, rest),
    findAccount: (_, sub) => ({ accountId: sub, claims: async () => ({ sub, email: `${sub}@example.org` }) }),
  });
  provider.on("grant.success", (ctx) => seen.push(Object.keys(ctx.oidc.body ?? {}).sort().join(" ")));
  provider.on("grant.error", (ctx, error) => seen.push(`${error.error}: ${error.error_detail ?? error.error_description}`));
}

const say = (text) => console.log(`> ${text}`);
say(url);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "seen") {
    say(JSON.stringify(seen.splice(0)));
    continue;
  }
  if (provider === undefined) server.on("request", (...both) => provider.callback()(...both));
  make(JSON.parse(line.slice("client ".length)));
  say("done");
}
