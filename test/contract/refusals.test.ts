import { createPrivateKey } from 'node:crypto';
import { expect } from 'chai';
import { areas } from '../../src/areas.ts';
import { newId } from '../../src/core/ids.ts';
import { ownScope } from '../../src/core/scopes.ts';
import { AuditEvent } from '../../src/db/audit.ts';
import { encodeRequest } from '../../src/doors/soap/encode.ts';
import { buildModel } from '../../src/doors/soap/model.ts';
import { bothDoors, done, type TestedDoor, through } from '../areas/through.ts';
import type { Kit, Tenant } from '../kit/app.ts';
import { type Case, type Party, party, startContractKit } from './case.ts';
import { cases } from './cases.ts';

