import type { z } from 'zod';
import { invalid } from '../../core/errors.ts';
import { binary, line, named } from '../../core/schema.ts';

export const maxBodyCharacters = 2_000_000;
export const maxRecipients = 100;
export const maxAttachments = 50;
export const lifetime = { min: 60, max: 365 * 86_400, standard: 30 * 86_400 };

// Controls that reorder text make `exe.fdp` read as `pdf.exe`; the rest would end or redirect a header or a path.
const deceptive = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const token = '[A-Za-z0-9!#$&^_.+-]+';
const mediaType = new RegExp(`^${token}/${token}$`);

const filename = line(255)
  .refine(name => !/[/\\]/.test(name), { message: 'must be a name without a path' })
  .refine(name => !deceptive.test(name), { message: 'holds a control character' })
  .refine(name => !/^\.+$|\.$/.test(name), { message: 'must not end with a dot' });

const contentType = line(127)
  .refine(type => mediaType.test(type), { message: 'must be a media type without parameters, such as application/pdf' })
  .refine(type => !/^multipart\//i.test(type), { message: 'must not be a multipart type' });

export const Attachment = named('SecureEmailAttachment', {
  filename: filename.describe('File name without a path.'),
  content_type: contentType.describe('Media type without parameters.'),
  content: binary().describe('The file.'),
});

/** Body and attachments together, before they are put in base64. */
export function requireRoom(html: string, attachments: readonly z.output<typeof Attachment>[], most: number): void {
  const total = attachments.reduce((sum, { content }) => sum + content.size, Buffer.byteLength(html));
  if (total > most) throw invalid('attachments', `body and attachments together exceed ${most} octets`, 'too_large');
}

/** Lower-cased, because nobody runs two mailboxes that differ in case alone, and a recipient must not get two copies. */
export function requireUnique(addresses: readonly string[]): void {
  const seen = new Set<string>();
  for (const [index, address] of addresses.entries()) {
    const key = address.toLowerCase();
    if (seen.has(key)) throw invalid(`to.${index}`, 'names a recipient twice', 'duplicate');
    seen.add(key);
  }
}

export const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase();
