import {
  cancelAuthorizationRequest,
  getApprovalSettings,
  getAuthorizationRequest,
  listApprovalWebhooks,
  listAuthorizationRequests,
  registerApprovalWebhook,
  removeApprovalWebhook,
  updateApprovalSettings,
} from '../../../src/areas/approvals/operations.ts';
import { registerApprovalWebhook as registerByOperator } from '../../../src/operator.ts';
import { type Case, type Party, unanswered } from '../case.ts';

const ask = (party: Party, name: string) =>
  party.rest.call('POST', '/v3/api-keys', { name, scopes: ['org:read'] }, { prefer: 'respond-async' });

const waiting = async (party: Party) => {
  const { body } = await ask(party, unanswered);
  return { authorization_request_id: body.authorization_request_id as string };
};

const decided = async (party: Party) => {
  const { body } = await ask(party, 'approved');
  await party.kit.settle();
  return { authorization_request_id: body.authorization_request_id as string };
};

export const approvalCases: Case[] = [
  {
    op: registerApprovalWebhook,
    input: ({ kit }) => ({ url: `${kit.responder.url}/another` }),
  },
  { op: listApprovalWebhooks, input: () => ({ limit: 5 }) },
  {
    op: removeApprovalWebhook,
    async path(party) {
      const { kit, id } = party;
      const url = `${kit.responder.url}/${party.next()}`;
      const approval_webhook_id = await registerByOperator(kit.app, id, { url, allowPrivate: ['127.0.0.1/32'] });
      return { approval_webhook_id };
    },
  },
  { op: getApprovalSettings },
  {
    op: updateApprovalSettings,
    input: () => ({ sensitive_operations: ['CreateRole'], quorum: 1, window_seconds: 120 }),
  },
  { op: getAuthorizationRequest, path: decided, varying: ['result', 'digest'] },
  {
    op: listAuthorizationRequests,
    async input(party) {
      await decided(party);
      return { state: 'executed', limit: 2 };
    },
    varying: ['digest', 'next_cursor'],
  },
  { op: cancelAuthorizationRequest, path: waiting },
];
