// Asks who it is with the tokens that `aws login` left in its cache; one JSON document says what came out.
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { fromLoginCredentials, fromNodeProviderChain } from "@aws-sdk/credential-providers";

const whoIs = async (credentials) => (await new STSClient({ credentials }).send(new GetCallerIdentityCommand({}))).Arn;
const found = { chain: await whoIs(fromNodeProviderChain()) };
found.login = await whoIs(fromLoginCredentials());
console.log(JSON.stringify(found));
