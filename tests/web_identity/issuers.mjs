// An issuer that somebody else wrote. What it says begins with "> ", and first comes its address. A line "token" with
// claims as JSON is answered with a token, "rotate" with a new key, which the next token is signed with.
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import https from "node:https";
import { createInterface } from "node:readline";

const { ISSUER, IDENTITY } = process.env;
const pem = readFileSync(IDENTITY);

async function mockServer() {
  const { OAuth2Server } = await import("oauth2-mock-server");
  const server = new OAuth2Server(IDENTITY, IDENTITY);
  let { kid } = await server.issuer.keys.generate("RS256");
  await server.start(0, "localhost");
  return {
    url: server.issuer.url,
    token: (claims) => server.issuer.buildToken({ kid, scopesOrTransform: (_, own) => void Object.assign(own, claims) }),
    rotate: async () => ({ kid } = await server.issuer.keys.generate("ES256")),
  };
}

async function oidcProvider() {
  const { Provider } = await import("oidc-provider");
  const server = https.createServer({ key: pem, cert: pem });
  await new Promise((done) => server.listen(0, "localhost", done));
  const url = `https://localhost:${server.address().port}`;
  let provider;
  const make = (key) => {
    const alg = key.asymmetricKeyType === "rsa" ? "RS256" : "ES256";
    const client = { client_id: "daypass", client_secret: "secret", redirect_uris: ["https://sts.example.com/back"] };
    provider = new Provider(url, {
      jwks: { keys: [{ ...key.export({ format: "jwk" }), use: "sig", alg }] },
      clients: [{ ...client, id_token_signed_response_alg: alg }],
    });
  };
  make(generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey);
  server.on("request", (...both) => provider.callback()(...both));
  return {
    url,
    token: async ({ sub, ...others }) => {
      const token = new provider.IdToken({ sub }, { client: await provider.Client.find("daypass") });
      token.scope = "openid";
      for (const [name, value] of Object.entries(others)) token.set(name, value);
      return token.issue({ use: "idtoken" });
    },
    rotate: () => make(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey),
  };
}

const issuer = await { "oauth2-mock-server": mockServer, "oidc-provider": oidcProvider }[ISSUER]();
const say = (text) => console.log(`> ${text}`);
say(issuer.url);
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "rotate") await issuer.rotate();
  say(line === "rotate" ? "done" : await issuer.token(JSON.parse(line.slice("token ".length))));
}
