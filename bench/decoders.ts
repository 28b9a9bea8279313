// Every decoder of octets in codec/ and crypto/, with whole samples to begin the damage from.
import { fromHex, toHex, utf8Bytes } from '../base/bytes.ts';
import { Secret } from '../base/log.ts';
import { readTlvs } from '../codec/ber-tlv.ts';
import { type CborValue, decodeCbor, encodeCbor } from '../codec/cbor.ts';
import { readComprehensionTlvs } from '../codec/comprehension-tlv.ts';
import { CPLC_OCTETS, decodeCplc, encodeCplc } from '../codec/cplc.ts';
import { describe } from '../codec/describe.ts';
import { describeContent } from '../codec/describe-content.ts';
import * as ids from '../codec/ids.ts';
import { encodeTraceHeader, latin1, parseModemTrace } from '../codec/modem-trace.ts';
import { BoundProfilePackage, bppSegments, createBppReader } from '../codec/rsp/bpp.ts';
import { BUNDLE_VERSION, bundleAnswer, offlineBundle } from '../codec/offline-bundle.ts';
import { RSP_OBJECTS } from '../codec/rsp/objects.ts';
import {
  decodeProfileElement,
  decodeProfilePackage,
  encodeProfileElement,
  encodeProfilePackage,
} from '../codec/saip/package.ts';
import { decodeEuiccResponse, encodeEuiccResponse } from '../codec/saip/response.ts';
import {
  decodeCommandPacket,
  decodeResponsePacket,
  decodeSpi,
  encodeSpi,
  splitCommandBody,
  splitResponseBody,
} from '../codec/secured-packet.ts';
import * as sms from '../codec/sms-tpdu.ts';
import {
  block,
  blockRequest,
  type DownMessage,
  downMessages,
  type UpMessage,
  upMessages,
} from '../codec/wire.ts';
import { openCose, signCose } from '../crypto/cose.ts';
import { issueCrl, parseCrl } from '../crypto/crl.ts';
import { decodePublicKeyInfo, encodePublicKeyInfo } from '../crypto/ec-keys.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import { openCommand } from '../crypto/scp80-command.ts';
import { openResponse } from '../crypto/scp80-response.ts';
import { parseInitializeUpdate } from '../crypto/scp03-host.ts';
import { issueCertificate, KEY_USAGE, parseCertificate } from '../crypto/x509.ts';
import { buildProfilePackage } from '../operator/smdp/profile-builder.ts';
import { APDU_DECODERS, sampleCommand } from './apdu-decoders.ts';
import { type Decoder, decoder } from './decoder.ts';
import { below, type Dice, pick } from './mutate.ts';
import { shapeOctets } from './shape-octets.ts';

const EID = ids.completeEid('890490320000000000000000000001');
const ICCID = ids.parseIccid('8949000000000000012');
const NAME = { commonName: 'Sample', organization: 'Example' };

const always = (bytes: Uint8Array) => (): Uint8Array => bytes;
const PACKET = fromHex('00201506193535B00011AE733256918D050B87C94FBFE12E4DC402F262C41CF67F2F');
const RECEIPT = fromHex('001C12B000118BB989492C632529326A2F4681FEB37C825BC9021C9F6D0B');

function traceText(dice: Dice): string {
  const command = toHex(sampleCommand(dice));
  const answer = `${toHex(dice.bytes(8))}6105`;
  return [
    `{"apdu":"${command}","data":"","sw":"9000"}`,
    `> ${command}`,
    `< ${answer}`,
    '> 00C0000005',
    `< ${toHex(dice.bytes(5))}9000`,
    'AT+CSIM=10,"80E2110001BF"',
    '+CSIM: 4,"9000"',
    `Sending: ${command}`,
    'Received (SW1=0x90, SW2=0x00):',
    '6F 1F 84 10 o...',
  ].join('\n');
}

function modemTrace(dice: Dice): string {
  const command = toHex(sampleCommand(dice));
  return [
    encodeTraceHeader({ program: 'sample', started: '' }),
    `{"t":1,"dir":"out","text":"AT+CSIM=${command.length},\\"${command}\\"\\r","masked":[[3,4]]}`,
    `{"t":2.5,"dir":"in","hex":"${toHex(dice.bytes(8))}0D"}`,
    '{"t":3,"dir":"in","text":"\\r\\n+CSIM: 4,\\"9000\\"\\r\\nOK\\r\\n"}',
    '{"t":4,"event":"closed","by":"driver"}',
  ].join('\n');
}

const packetDecoders = [
  decoder('decodeCommandPacket', always(PACKET), (bytes) => {
    const packet = decodeCommandPacket(bytes);
    return splitCommandBody(packet.body, packet.integrityLength);
  }),
  decoder('decodeResponsePacket', always(RECEIPT), (bytes) => {
    const packet = decodeResponsePacket(bytes);
    return splitResponseBody(packet.body, packet.integrityLength);
  }),
  decoder(
    'describe',
    (dice) => shapeOctets(dice, pick(dice, RSP_OBJECTS).type),
    (bytes) => describe(bytes),
  ),
  decoder(
    'describeContent, a trace',
    (dice) => utf8Bytes(traceText(dice)),
    (bytes) => describeContent(bytes, 'trace').text,
  ),
  decoder('parseModemTrace', (dice) => utf8Bytes(modemTrace(dice)), parseModemTrace),
  decoder(
    'describeContent, a trace of a modem’s line',
    (dice) => utf8Bytes(modemTrace(dice)),
    (bytes) => describeContent(bytes).text,
  ),
  decoder('latin1', (dice) => dice.bytes(9), latin1),
  decoder(
    'describe, CBOR',
    (dice) => encodeCbor([dice.bytes(9), new Map([[1, 'text']]), dice.bytes(30), dice.bytes(64)]),
    (bytes) => describe(bytes, 'cbor'),
  ),
  decoder(
    'describe, toolkit and file control',
    always(
      fromHex(
        'D02A8103011300820281838B1F0100098100000000F01102700000150E0121212000010000000001FFFFFFFFFF86028182',
      ),
    ),
    (bytes) => describe(bytes),
  ),
];

const DELIVER = fromHex(
  '400881214365877FF6227052000000002D02700000281506192222B00011E87CCEEBB2D93083011CE294F93FC4D8DE80DA1ABAE8C37CA3E72EC4432E5058',
);
const SUBMIT = fromHex('550D0B911614261771F000F5A70C0B050423F423F40003010201');

const messageDecoders = [
  decoder('decodeSpi', always(Uint8Array.of(0x16, 0x19)), ([a = 0, b = 0]) => decodeSpi(a, b), encodeSpi),
  decoder('decodeSmsDeliver', always(DELIVER), sms.decodeSmsDeliver, sms.encodeSmsDeliver),
  decoder('decodeSmsSubmit', always(SUBMIT), sms.decodeSmsSubmit, sms.encodeSmsSubmit),
  decoder('decodeSmsAddress', always(DELIVER.slice(1, 7)), sms.decodeSmsAddress, sms.encodeSmsAddress),
  decoder(
    'decodeSmsPpDownload',
    always(sms.encodeSmsPpDownload({ tpdu: DELIVER, serviceCentre: fromHex('911234F5') })),
    sms.decodeSmsPpDownload,
    sms.encodeSmsPpDownload,
  ),
];

const idDecoders = [
  decoder('decodeCplc', (dice) => dice.bytes(CPLC_OCTETS), decodeCplc, encodeCplc),
  decoder('decodeEid', always(ids.encodeEid(EID)), ids.decodeEid, ids.encodeEid),
  decoder('decodeIccid', always(ids.encodeIccid(ICCID)), ids.decodeIccid, ids.encodeIccid),
  decoder(
    'decodeIccidPlain',
    always(ids.encodeIccidPlain(ICCID)),
    ids.decodeIccidPlain,
    ids.encodeIccidPlain,
  ),
  decoder(
    'decodeImsi',
    always(ids.encodeImsi(ids.parseImsi('901700000000017'))),
    ids.decodeImsi,
    ids.encodeImsi,
  ),
  decoder(
    'decodeImei',
    always(ids.encodeImei(ids.completeImei('35693803564380'))),
    ids.decodeImei,
    ids.encodeImei,
  ),
  decoder('decodeAid', always(ids.encodeAid(ids.AID_ISD_R)), ids.decodeAid, ids.encodeAid),
];

const rspDecoders: Decoder[] = [
  decoder('readComprehensionTlvs', () => fromHex('810301010482028281830100'), readComprehensionTlvs),
  decoder('readTlvs', (dice) => shapeOctets(dice, pick(dice, RSP_OBJECTS).type), readTlvs),
  ...RSP_OBJECTS.map(
    ({ name, type }): Decoder => ({
      name,
      sample: (dice) => shapeOctets(dice, type),
      decode: type.decode,
      encode: type.encode,
    }),
  ),
  decoder('bppSegments', (dice) => shapeOctets(dice, BoundProfilePackage), bppSegments),
  decoder(
    'createBppReader',
    (dice) => shapeOctets(dice, BoundProfilePackage),
    (bytes) => [...createBppReader().read(bytes)],
  ),
];

function profileDecoders(): Decoder[] {
  const secret = (octet: number) => new Secret(new Uint8Array(16).fill(octet));
  const digits = (text: string) => new Secret(text);
  const whole = buildProfilePackage({
    iccid: ICCID,
    imsi: ids.parseImsi('901700000000017'),
    mccMnc: '90170',
    k: secret(1),
    opc: secret(2),
    pin1: digits('0000'),
    pin2: digits('1111'),
    puk1: digits('12345678'),
    puk2: digits('87654321'),
    adm1: digits('11112222'),
    spn: 'Sample',
    profileName: 'sample',
    otaKeys: { version: 1, kic: secret(3), kid: secret(4), kik: secret(5) },
    targetBytes: 2000,
  });
  const elements = readTlvs(whole).map(({ raw }) => raw);
  return [
    decoder('decodeProfilePackage', always(whole), decodeProfilePackage, encodeProfilePackage),
    decoder(
      'decodeProfileElement',
      (dice) => pick(dice, elements),
      decodeProfileElement,
      encodeProfileElement,
    ),
    decoder(
      'decodeEuiccResponse',
      always(encodeEuiccResponse({ peStatus: [{ status: 0 }, { status: 3, identification: 7 }] })),
      decodeEuiccResponse,
      encodeEuiccResponse,
    ),
  ];
}

/** A CBOR value of any kind, small integers as keys, so that it looks like a message. */
function anyCbor(dice: Dice, depth: number): CborValue {
  switch (below(dice, depth > 3 ? 5 : 7)) {
    case 0:
      return below(dice, 2 ** 32) - 2 ** 31;
    case 1:
      return dice.bytes(pick(dice, [0, 8, 16, 32]));
    case 2:
      return pick(dice, ['', 'provisioning', 'done', EID, ICCID, '\u{1f600}']);
    case 3:
      return pick(dice, [true, false, null]);
    case 4:
      return dice.next();
    case 5:
      return Array.from({ length: below(dice, 4) }, () => anyCbor(dice, depth + 1));
    default:
      return new Map(
        Array.from({ length: below(dice, 8) }, () => [below(dice, 20), anyCbor(dice, depth + 1)]),
      );
  }
}

const wireHead = (dice: Dice) => ({ id: dice.bytes(8), transaction: dice.bytes(16), eid: EID });

const upSample = (dice: Dice): Uint8Array =>
  upMessages.encode(
    pick<UpMessage>(dice, [
      { is: 'receipt', ...wireHead(dice), of: dice.bytes(8), outcome: 'done' },
      { is: 'notification', ...wireHead(dice), pendingNotification: dice.bytes(40) },
      {
        is: 'transferReport',
        ...wireHead(dice),
        transferId: dice.bytes(16),
        state: 'progress',
        receivedBytes: 1024,
      },
      {
        is: 'scriptReport',
        ...wireHead(dice),
        command: dice.bytes(8),
        outcome: 'rolled-back',
        responseScript: dice.bytes(20),
        registration: { stat: 5, plmn: '26201' },
        enabledIccid: ICCID,
      },
    ]),
  );

const downSample = (dice: Dice): Uint8Array =>
  downMessages.encode(
    pick<DownMessage>(dice, [
      {
        is: 'refused',
        ...wireHead(dice),
        reason: 'no',
        checks: [{ name: 'chain', ok: false, detail: 'expired' }],
      },
      { is: 'completed', ...wireHead(dice), iccid: ICCID },
      {
        is: 'script',
        ...wireHead(dice),
        purpose: 'enable',
        iccid: ICCID,
        script: dice.bytes(60),
        deadlineMs: 60_000,
      },
    ]),
  );

const request = { transferId: new Uint8Array(16), ranges: [[0, 4]] };

const bundleHead = (dice: Dice) =>
  ({ version: BUNDLE_VERSION, eid: EID, mno: 'mno-a', transactionId: dice.bytes(16), iccid: ICCID }) as const;
const bundleSample = (dice: Dice): Uint8Array => {
  const scripts = [dice.bytes(20), dice.bytes(20)];
  return offlineBundle.encode({ ...bundleHead(dice), issued: 1, expires: 2, sequenceCounter: 3, scripts });
};
const answerSample = (dice: Dice): Uint8Array => {
  const notifications = [dice.bytes(30)];
  return bundleAnswer.encode({ ...bundleHead(dice), outcome: 'failed', reason: 'no', notifications });
};

const wireDecoders = [
  decoder('decodeCbor', (dice) => encodeCbor(anyCbor(dice, 0)), decodeCbor, encodeCbor),
  decoder('offlineBundle', bundleSample, offlineBundle.decode, offlineBundle.encode),
  decoder('bundleAnswer', answerSample, bundleAnswer.decode, bundleAnswer.encode),
  decoder('upMessages', upSample, upMessages.decode, upMessages.encode),
  decoder('downMessages', downSample, downMessages.decode, downMessages.encode),
  decoder(
    'blockRequest',
    always(encodeCbor(blockRequest.toCbor(request))),
    (bytes) => blockRequest.fromCbor(decodeCbor(bytes)),
    (value) => encodeCbor(blockRequest.toCbor(value)),
  ),
  decoder(
    'block',
    (dice) => encodeCbor(block.toCbor({ transferId: dice.bytes(16), index: 3, data: dice.bytes(30) })),
    (bytes) => block.fromCbor(decodeCbor(bytes)),
    (value) => encodeCbor(block.toCbor(value)),
  ),
];

const INITIALIZE_UPDATE = fromHex('0000000000000000000030037030760CD2C47C1DD395065FE5EAD8A9D7000001');

function cryptoDecoders(): Decoder[] {
  const ec = createNodeEc();
  const { curve, privateKey, publicKey } = ec.generate('P-256');
  const issuer = { name: NAME, curve, privateKey, publicKey };
  const dates = { notBefore: Date.UTC(2026, 0), notAfter: Date.UTC(2036, 0) };
  const certificate = issueCertificate(ec, issuer, {
    serialNumber: Uint8Array.of(1),
    subject: NAME,
    curve,
    publicKey,
    ...dates,
    keyUsage: [KEY_USAGE.digitalSignature],
    policies: ['2.23.146.1.2.1.1'],
    ca: { pathLength: 1 },
    permittedNames: [NAME],
  });
  const crl = issueCrl(ec, issuer, {
    number: 1,
    thisUpdate: dates.notBefore,
    nextUpdate: dates.notAfter,
    revoked: [{ serialNumber: '0102', at: dates.notBefore }],
  });
  const keys = {
    kic: { algorithm: 'des', key: new Secret(fromHex('300102030405060708090A0B0C0D0E0F')) },
    kid: { algorithm: 'des', key: new Secret(fromHex('301102030405060708090A0B0C0D0E0F')) },
  } as const;
  const asked = { spi: decodeSpi(0x06, 0x19), kid: 0x35 };
  const cose = signCose(ec, { curve, privateKey, kid: Uint8Array.of(1) }, Uint8Array.of(1, 2, 3));
  return [
    decoder('parseCertificate', always(certificate), parseCertificate),
    decoder('parseCrl', always(crl), parseCrl),
    decoder('openCommand', always(PACKET), (bytes) => openCommand(bytes, keys)),
    decoder('openResponse', always(RECEIPT), (bytes) => openResponse(bytes, asked, keys)),
    decoder('parseInitializeUpdate', always(INITIALIZE_UPDATE), parseInitializeUpdate),
    decoder('openCose', always(cose), openCose),
    decoder('decodePublicKeyInfo', always(encodePublicKeyInfo(curve, publicKey)), decodePublicKeyInfo),
    decoder(
      'verify',
      (dice) => dice.bytes(64),
      (signature) => ec.verify(curve, publicKey, signature, signature),
    ),
  ];
}

/** Everything in codec/ and crypto/ that reads octets from outside. */
export function createDecoders(): Decoder[] {
  return [
    ...APDU_DECODERS,
    ...packetDecoders,
    ...messageDecoders,
    ...idDecoders,
    ...rspDecoders,
    ...profileDecoders(),
    ...wireDecoders,
    ...cryptoDecoders(),
  ];
}
