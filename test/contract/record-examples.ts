import { writeFileSync } from 'node:fs';
import { recordExamples } from './examples.ts';

/** Writes the examples of the reference anew: `npm run examples`. Their difference is reviewed as that of wsdl/ is. */
const file = `${import.meta.dirname}/../../src/doors/rest/examples.json`;
writeFileSync(file, `${JSON.stringify(await recordExamples(), undefined, 2)}\n`);
