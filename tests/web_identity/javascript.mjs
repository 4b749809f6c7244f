// Asks who it is with each way in which the JavaScript SDK v3 takes a web identity; one JSON document says what came out.
import { readFileSync } from "node:fs";
import { AssumeRoleWithWebIdentityCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import {
  fromNodeProviderChain,
  fromTemporaryCredentials,
  fromTokenFile,
  fromWebToken,
} from "@aws-sdk/credential-providers";

const { AWS_ROLE_ARN: roleArn, AWS_WEB_IDENTITY_TOKEN_FILE: file, SECOND_ROLE_ARN: second, WRONG_TOKEN: wrong } = process.env;
const webIdentityToken = readFileSync(file, "utf8").trim();
const whoIs = async (configuration) => (await new STSClient(configuration).send(new GetCallerIdentityCommand({}))).Arn;
const chained = { RoleArn: second, RoleSessionName: "chained", DurationSeconds: 900 };

const found = {
  default: await whoIs({}),
  fromTokenFile: await whoIs({ credentials: fromTokenFile() }),
  fromWebToken: await whoIs({ credentials: fromWebToken({ roleArn, webIdentityToken, roleSessionName: "web" }) }),
  fromNodeProviderChain: await whoIs({ credentials: fromNodeProviderChain() }),
  fromTemporaryCredentials: await whoIs({
    credentials: fromTemporaryCredentials({ masterCredentials: fromTokenFile(), params: chained }),
  }),
};
const trade = new AssumeRoleWithWebIdentityCommand({ RoleArn: roleArn, RoleSessionName: "it", WebIdentityToken: wrong });
try {
  await new STSClient({}).send(trade);
} catch (error) {
  found.refusal = { name: error.name, message: error.message, status: error.$metadata.httpStatusCode };
}
console.log(JSON.stringify(found));
