// Ask who we are with the SSO provider of the JavaScript SDK v3, alone and in the default chain.
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { fromNodeProviderChain, fromSSO } from "@aws-sdk/credential-providers";

const whoIs = async (settings) => (await new STSClient(settings).send(new GetCallerIdentityCommand({}))).Arn;
const found = {
  fromSSO: await whoIs({ credentials: fromSSO({ profile: "dev" }) }),
  fromNodeProviderChain: await whoIs({ credentials: fromNodeProviderChain() }),
  default: await whoIs({}),
};
console.log(JSON.stringify(found));
