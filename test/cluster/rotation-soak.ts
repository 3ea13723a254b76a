import { rotateUnderLoad } from './rotation.ts';

/** `npm run soak:rotation`: 200 signed calls a second for about a minute while everything is exchanged. */
const [perSecond = 200, seconds = 60] = process.argv.slice(2).map(Number);
const steps = 6;
const findings = await rotateUnderLoad(perSecond, (seconds / steps) * 1000);
console.log(JSON.stringify({ ...findings, rate: Math.round(findings.rate) }, undefined, 2));
const refused = Object.values(findings.afterRevocation).every(outcome => outcome !== 'ok');
if (findings.failed.length > 0 || !refused || findings.rate < perSecond * 0.98) process.exitCode = 1;
