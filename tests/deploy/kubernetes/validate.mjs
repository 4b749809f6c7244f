// Validate the documents on standard input against the published models. Print a line for each fault.
// Run it as text, in the folder of the packages: node --input-type=module --eval "$(cat validate.mjs)"
import {text} from "node:stream/consumers";

const packages = {
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator",
};
for (const document of JSON.parse(await text(process.stdin))) {
  const [group, version] = document.apiVersion.split("/");
  const models = await import(`${packages[group]}/${group}/${version}`);
  try {
    new models[document.kind](document).validate();
  } catch (error) {
    console.log(`${document.kind} ${document.metadata.name}: ${error.message}`);
  }
}
