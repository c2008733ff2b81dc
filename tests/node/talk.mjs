// Talks with the test that runs this script: one JSON line out, one JSON line back.
import { createInterface } from "node:readline";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

export const facts = JSON.parse(process.argv[2]);

export async function ask(what, details = {}) {
  process.stdout.write(JSON.stringify({ ask: what, ...details }) + "\n");
  const { value } = await lines.next();
  return JSON.parse(value);
}

export function tell(result) {
  process.stdout.write(JSON.stringify({ result }) + "\n");
  process.exit(0);
}
