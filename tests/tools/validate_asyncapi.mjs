// Reads an AsyncAPI document with an independent parser; prints what is wrong, exits 1 on an error.
//
//   node validate_asyncapi.mjs docs/asyncapi.json

import { readFile } from "node:fs/promises";
import { argv, exit } from "node:process";

import { Parser } from "@asyncapi/parser";

const SEVERITIES = ["error", "warning", "information", "hint"];
const WARNING = 1;

const source = await readFile(argv[2], "utf8");
const { document, diagnostics } = await new Parser().parse(source);

for (const one of diagnostics.filter(({ severity }) => severity <= WARNING)) {
  console.log(`${SEVERITIES[one.severity]}: ${one.path.join(".")}: ${one.message} (${one.code})`);
}
const broken = diagnostics.some(({ severity }) => severity === 0) || document === undefined;
if (!broken) {
  console.log(`valid: ${document.channels().length} channels, ${document.operations().length} operations`);
}
exit(broken ? 1 : 0);
