// transport/wire.cddl: the messages between agent and operator for other programs (CDDL, RFC 8610).
import { type CborFields, cddlMember } from '../codec/cbor-table.ts';
import { WIRE_TABLES, WIRE_VERSION } from '../codec/wire.ts';

const HEAD = `; The messages between agent and operator. Written from codec/wire.ts by \`npm run docs\`; a change here is lost.
; Unknown keys are passed over. Text is limited in characters: .size is the most octets that they can take.
`;

/** The whole description. */
export function wireCddl(): string {
  const { up, down, others } = WIRE_TABLES;
  return [
    HEAD,
    group('; messages of the agent', 'agent-message', up),
    group(
      '; messages of an operator, each the payload of a COSE_Sign1 (RFC 9052, ES256)',
      'operator-message',
      down,
    ),
    '; a transfer: requests for blocks, and blocks; the manifest says which block is right',
    ...Object.entries(others).map(([name, type]) => `${name} = ${type.cddl ?? 'any'}`),
    '',
  ].join('\n');
}

function group(
  comment: string,
  name: string,
  bodies: Readonly<Record<string, readonly [number, CborFields]>>,
): string {
  const rules = Object.entries(bodies).map(([is, [type, fields]]) =>
    rule(`${name.split('-')[0]}-${kebab(is)}`, is, type, fields),
  );
  const all = Object.keys(bodies).map((is) => `${name.split('-')[0]}-${kebab(is)}`);
  return [comment, `${name} = ${all.join(' / ')}`, '', ...rules].join('\n');
}

function rule(name: string, is: string, type: number, fields: CborFields): string {
  const members = [
    `  0 => ${type}, ; ${is}`,
    `  1 => ${WIRE_VERSION}, ; version`,
    ...Object.entries({ ...WIRE_TABLES.header, ...fields })
      .filter(([, { key }]) => key > 1)
      .map(([member, field]) => `  ${cddlMember(field)}, ; ${member}`),
    '  * int => any,',
  ];
  return `${name} = {\n${members.join('\n')}\n}\n`;
}

function kebab(camel: string): string {
  return camel.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
