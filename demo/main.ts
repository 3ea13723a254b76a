import { integrator } from './integrator.ts';
import { Narrator, NotHeld } from './narrator.ts';
import { partner } from './partner.ts';
import { partnerRefusals } from './partner-refusals.ts';
import { readerKey, refusals } from './refusals.ts';
import { setStage } from './stage.ts';

/** `npm run demo`: a server of its own on a temporary database, and what the two kinds of customers do with it. */
// node-soap's signer calls xml-crypto by a deprecated name: true, and no part of the story.
process.noDeprecation = true;

const tell = new Narrator();
const { stage, clear } = await setStage();
try {
  await partner(stage, tell);
  await integrator(stage, tell);
  const reader = await readerKey(stage, tell);
  await refusals(stage, tell, reader);
  await partnerRefusals(stage, tell, reader);
  console.log(`\nAll ${tell.held} claims held.`);
} catch (error) {
  console.log(error instanceof NotHeld ? `   - NOT HELD: ${error.message}` : error);
  process.exitCode = 1;
} finally {
  await clear();
}
