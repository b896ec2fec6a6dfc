// A company system over NATS: hands in a project and its surplus, awaits both receipts, then its match.
//
//     npm install @nats-io/transport-node @nats-io/jetstream
//     node company.mjs acme.json
//
// acme.json: what `massakoppi org add acme … --save` wrote.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { jetstream } from "@nats-io/jetstream";
import { connect, headers, nkeyAuthenticator } from "@nats-io/transport-node";

const { organisation, nats_url, nats_seed } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const SOURCE = `/${organisation}/erp`; // your system: ids are unique within it

const nc = await connect({
  servers: nats_url,
  authenticator: nkeyAuthenticator(new TextEncoder().encode(nats_seed)),
  inboxPrefix: `receipts.${organisation}.inbox`, // the one place where you may hear answers
  maxReconnectAttempts: -1,
});
const js = jetstream(nc);

// Listen before you speak. What has no ce- headers on these subjects is not ours: pass it by.
const awaited = new Map(); // event id → who waits for its receipt
nc.subscribe(`receipts.${organisation}.*.*`, {
  callback: (error, message) => {
    if (error || !message.headers?.get("ce-id")) return;
    const receipt = message.json();
    if (receipt.source === SOURCE) awaited.get(receipt.event_id)?.(receipt);
  },
});
const matches = nc.subscribe(`matches.${organisation}.>`);
await nc.flush();

// The same id again, with the same words, gets the same receipt and changes nothing: so a time-out
// is no reason to worry, and none to make a new id.
async function handIn(event, data, id = randomUUID()) {
  const told = headers();
  told.set("ce-specversion", "1.0");
  told.set("ce-id", id);
  told.set("ce-source", SOURCE);
  told.set("ce-type", `intake.${event}.v1`);
  told.set("ce-time", new Date().toISOString());
  told.set("content-type", "application/json");
  const receipt = new Promise((resolve) => awaited.set(id, resolve));
  for (let tries = 1; ; tries++) {
    try {
      await js.publish(`intake.${organisation}.${event}`, JSON.stringify(data), {
        headers: told,
        msgID: `${SOURCE}/${id}`,
      });
      break; // it is on the disk; the receipt follows
    } catch (error) {
      if (tries === 5) throw error;
      await new Promise((resolve) => setTimeout(resolve, 250 * 2 ** tries));
    }
  }
  const got = await receipt;
  awaited.delete(id);
  console.log(JSON.stringify({ receipt: got }));
  if (got.verdict === "rejected") {
    for (const { pointer, code, text } of got.reasons) console.error(`${pointer} ${code}: ${text}`);
  }
  return got;
}

await handIn("project-added", {
  external_id: "P-1",
  title: "Ring road ditch",
  municipality: "049",
  available_from: "2027-03-01",
  available_to: "2027-09-30",
});
await handIn("forecast-updated", {
  external_id: "P-1/till",
  project: "P-1",
  direction: "surplus",
  material: "till",
  quality: "S3",
  contamination: "P0",
  contamination_basis: "site_survey",
  acid_sulphate: "none",
  invasive_status: "none_observed",
  waste_status: "not_waste",
  quantity: 2400,
  unit: "t",
  available_from: "2027-03-01",
  available_to: "2027-09-30",
});

for await (const message of matches) {
  if (message.headers?.get("ce-type") !== "matches.match-found.v1") continue;
  console.log(JSON.stringify({ match: message.json() }));
  break;
}
await nc.drain();
