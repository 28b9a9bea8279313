// A profile package as a run of profile elements (TCA eUICC Profile Package: Interoperable Format, PEDefinitions, DER).
import { concat } from '../../base/bytes.ts';
import { AgentError } from '../../base/errors.ts';
import { encodeTlv, readTlv, readTlvs, tagText, type Tlv } from '../ber-tlv.ts';
import type { Fields, Type, TypeOf } from '../tlv-table.ts';
import * as pe from './elements.ts';
import { contextTag, filesElement, peHeader, type FilesElement, type PeHeader } from './files.ts';

/** Elements with files, by name: tag number and the names of their members, in order. */
const FILES = {
  mf: { number: 16, type: filesElement('mf ef-pl? ef-iccid ef-dir ef-arr ef-umpc?') },
  cd: { number: 17, type: filesElement('df-cd ef-launchpad? ef-icon?') },
  telecom: {
    number: 18,
    type: filesElement(
      `df-telecom ef-arr? ef-rma? ef-sume? ef-ice-dn? ef-ice-ff? ef-psismsc?
       df-graphics? ef-img? ef-iidf? ef-ice-graphics? ef-launch-scws? ef-icon?
       df-phonebook? ef-pbr? ef-ext1? ef-aas? ef-gas? ef-psc? ef-cc? ef-puid? ef-iap? ef-adn? ef-pbc? ef-anr? ef-puri?
       ef-email? ef-sne? ef-uid? ef-grp? ef-ccp1? df-multimedia? ef-mml? ef-mmdf?
       df-mmss? ef-mlpl? ef-mspl? ef-mmssmode? df-mcs? ef-mst? ef-mcs-config?
       df-v2x? ef-vst? ef-v2x-config? ef-v2xp-pc5? ef-v2xp-Uu?`,
    ),
  },
  usim: {
    number: 19,
    type: filesElement(
      `adf-usim ef-imsi ef-arr ef-keys? ef-keysPS? ef-hpplmn? ef-ust ef-fdn? ef-sms? ef-smsp? ef-smss? ef-spn ef-est
       ef-start-hfn? ef-threshold? ef-psloci? ef-acc ef-fplmn? ef-loci? ef-ad? ef-ecc ef-netpar? ef-epsloci? ef-epsnsc?`,
    ),
  },
  'opt-usim': {
    number: 20,
    type: filesElement(
      `ef-li? ef-acmax? ef-acm? ef-gid1? ef-gid2? ef-msisdn? ef-puct? ef-cbmi? ef-cbmid? ef-sdn? ef-ext2? ef-ext3? ef-cbmir?
       ef-plmnwact? ef-oplmnwact? ef-hplmnwact? ef-dck? ef-cnl? ef-smsr? ef-bdn? ef-ext5? ef-ccp2? ef-ext4? ef-acl? ef-cmi?
       ef-ici? ef-oci? ef-ict? ef-oct? ef-vgcs? ef-vgcss? ef-vbs? ef-vbss? ef-emlpp? ef-aaem? ef-hiddenkey? ef-pnn? ef-opl?
       ef-mbdn? ef-ext6? ef-mbi? ef-mwis? ef-cfis? ef-ext7? ef-spdi? ef-mmsn? ef-ext8? ef-mmsicp? ef-mmsup? ef-mmsucp?
       ef-nia? ef-vgcsca? ef-vbsca? ef-gbabp? ef-msk? ef-muk? ef-ehplmn? ef-gbanl? ef-ehplmnpi? ef-lrplmnsi? ef-nafkca?
       ef-spni? ef-pnni? ef-ncp-ip? ef-ufc? ef-nasconfig? ef-uicciari? ef-pws? ef-fdnuri? ef-bdnuri? ef-sdnuri? ef-ial?
       ef-ips? ef-ipd? ef-epdgid? ef-epdgselection? ef-epdgidem? ef-epdgselectionem? ef-frompreferred? ef-imsconfigdata?
       ef-3gpppsdataoff? ef-3gpppsdataoffservicelist? ef-xcapconfigdata? ef-earfcnlist? ef-mudmidconfigdata? ef-eaka?`,
    ),
  },
  isim: { number: 21, type: filesElement('adf-isim ef-impi ef-impu ef-domain ef-ist ef-ad? ef-arr') },
  'opt-isim': {
    number: 22,
    type: filesElement(
      `ef-pcscf? ef-sms? ef-smsp? ef-smss? ef-smsr? ef-gbabp? ef-gbanl? ef-nafkca? ef-uicciari? ef-frompreferred?
       ef-imsconfigdata? ef-xcapconfigdata? ef-webrtcuri? ef-mudmidconfigdata?`,
    ),
  },
  phonebook: {
    number: 23,
    type: filesElement(
      `df-phonebook ef-pbr? ef-ext1? ef-aas? ef-gas? ef-psc? ef-cc? ef-puid? ef-iap? ef-adn? ef-pbc? ef-anr? ef-puri?
       ef-email? ef-sne? ef-uid? ef-grp? ef-ccp1?`,
    ),
  },
  'gsm-access': { number: 24, type: filesElement('df-gsm-access ef-kc? ef-kcgprs? ef-cpbcch? ef-invscan?') },
  csim: {
    number: 25,
    type: filesElement(
      `adf-csim ef-arr ef-call-count ef-imsi-m ef-imsi-t ef-tmsi ef-ah ef-aop ef-aloc ef-cdmahome ef-znregi ef-snregi
       ef-distregi ef-accolc ef-term ef-acp ef-prl ef-ruimid ef-csim-st ef-spc ef-otapaspc ef-namlock ef-ota ef-sp
       ef-esn-meid-me ef-li ef-usgind ef-ad ef-max-prl ef-spcs ef-mecrp ef-home-tag ef-group-tag ef-specific-tag
       ef-call-prompt`,
    ),
  },
  'opt-csim': {
    number: 26,
    type: filesElement(
      `ef-ssci? ef-fdn? ef-sms? ef-smsp? ef-smss? ef-ssfc? ef-spn? ef-mdn? ef-ecc? ef-me3gpdopc? ef-3gpdopm? ef-sipcap?
       ef-mipcap? ef-sipupp? ef-mipupp? ef-sipsp? ef-mipsp? ef-sippapss? ef-puzl? ef-maxpuzl? ef-hrpdcap? ef-hrpdupp?
       ef-csspr? ef-atc? ef-eprl? ef-bcsmscfg? ef-bcsmspref? ef-bcsmstable? ef-bcsmsp? ef-bakpara? ef-upbakpara? ef-mmsn?
       ef-ext8? ef-mmsicp? ef-mmsup? ef-mmsucp? ef-auth-capability? ef-3gcik? ef-dck? ef-gid1? ef-gid2? ef-cdmacnl?
       ef-sf-euimid? ef-est? ef-hidden-key? ef-lcsver? ef-lcscp? ef-sdn? ef-ext2? ef-ext3? ef-ici? ef-oci? ef-ext5?
       ef-ccp2? ef-applabels? ef-model? ef-rc? ef-smscap? ef-mipflags? ef-3gpduppext? ef-ipv6cap? ef-tcpconfig? ef-dgc?
       ef-wapbrowsercp? ef-wapbrowserbm? ef-mmsconfig? ef-jdl?`,
    ),
  },
  eap: {
    number: 27,
    type: filesElement('df-eap ef-eapkeys? ef-eapstatus ef-puid? ef-ps? ef-curid? ef-reid? ef-realm?'),
  },
  'df-5gs': {
    number: 28,
    type: filesElement(
      `df-df-5gs ef-5gs3gpploci? ef-5gsn3gpploci? ef-5gs3gppnsc? ef-5gsn3gppnsc? ef-5gauthkeys? ef-uac-aic?
       ef-suci-calc-info? ef-opl5g? ef-supinai? ef-routing-indicator? ef-ursp? ef-tn3gppsnn? ef-cag? ef-sor-cmci? ef-dri?
       ef-5gsedrx? ef-5gnswo-conf? ef-mchpplmn? ef-kausf-derivation?`,
    ),
  },
  'df-saip': { number: 29, type: filesElement('df-df-saip ef-suci-calc-info-usim?') },
  'df-snpn': { number: 30, type: filesElement('df-df-snpn ef-pws-snpn?') },
  'df-5gprose': {
    number: 31,
    type: filesElement(
      `df-df-5g-prose ef-5g-prose-st? ef-5g-prose-dd? ef-5g-prose-dc? ef-5g-prose-u2nru? ef-5g-prose-ru? ef-5g-prose-uir?`,
    ),
  },
  iot: {
    number: 32,
    type: filesElement(
      `mf? ef-pl? ef-iccid? ef-dir? ef-arr? ef-umpc? adf-usim? ef-imsi ef-arr-usim? ef-keys? ef-keysPS? ef-hpplmn? ef-ust?
       ef-start-hfn? ef-threshold? ef-psloci? ef-acc ef-fplmn? ef-loci? ef-ad? ef-ecc? ef-netpar?`,
    ),
  },
  'opt-iot': {
    number: 33,
    type: filesElement(
      `ef-fdn? ef-sms? ef-smsp? ef-smss? ef-spn? ef-est? ef-oplmnwact? ef-hplmnwact? ef-ehplmn? ef-epsloci? ef-epsnsc?
       df-df-5gs? ef-5gs3gpploci? ef-5gsn3gpploci? ef-5gs3gppnsc? ef-5gsn3gppnsc? ef-5gauthkeys? ef-uac-aic?
       ef-suci-calc-info? ef-opl5g? ef-supi-nai? ef-routing-indicator? ef-ursp? ef-tn3gppsnn? df-df-saip?
       ef-suci-calc-info-usim?`,
    ),
  },
} as const;

const OTHERS = {
  header: { number: 0, type: pe.profileHeader },
  genericFileManagement: { number: 1, type: pe.genericFileManagement },
  pinCodes: { number: 2, type: pe.pinCodes },
  pukCodes: { number: 3, type: pe.pukCodes },
  akaParameter: { number: 4, type: pe.akaParameter },
  cdmaParameter: { number: 5, type: pe.cdmaParameter },
  securityDomain: { number: 6, type: pe.securityDomain },
  rfm: { number: 7, type: pe.rfm },
  application: { number: 8, type: pe.application },
  nonStandard: { number: 9, type: pe.nonStandard },
  end: { number: 10, type: pe.end },
} as const;

/** Names of the elements whose value is a `FilesElement`. */
export type FilesElementType = keyof typeof FILES;

type Typed = {
  [K in keyof typeof OTHERS]: { readonly type: K; readonly value: TypeOf<(typeof OTHERS)[K]['type']> };
};
type WithFiles = { [K in FilesElementType]: { readonly type: K; readonly value: FilesElement } };

/** An element of a tag that the tables do not know, kept whole. `header` where it begins as all elements do. */
type UnknownElement = {
  readonly type: 'unknown';
  readonly tag: number;
  readonly header?: PeHeader;
  readonly raw: Uint8Array;
};

export type ProfileElement = Typed[keyof Typed] | WithFiles[FilesElementType] | UnknownElement;

/** The value of the element of one type. */
export type ElementValue<K extends keyof Typed> = Typed[K]['value'];

const ROWS: Readonly<Record<string, { readonly number: number; readonly type: Type<unknown> }>> = {
  ...(OTHERS as unknown as Record<string, { number: number; type: Type<unknown> }>),
  ...(FILES as unknown as Record<string, { number: number; type: Type<unknown> }>),
};
const BY_TAG = new Map(Object.entries(ROWS).map(([name, row]) => [contextTag(row.number), { name, ...row }]));

/** All elements as the alternatives of one choice, for a walk over the octets of a package. */
export const PROFILE_ELEMENTS: Fields = Object.fromEntries(
  Object.entries(ROWS).map(([name, row]) => [name, { tag: contextTag(row.number), type: row.type }]),
);

export function isFilesElement(element: ProfileElement): element is WithFiles[FilesElementType] {
  return element.type in FILES;
}

/** The element's own number, by which error reports name it; the header and odd elements have none. */
export function elementHeader(element: ProfileElement): PeHeader | undefined {
  if (element.type === 'header') return undefined;
  return element.type === 'unknown' ? element.header : element.value.header;
}

/** Reads a profile package. Throws `SAIP_INVALID` naming the element, its offset and the member. */
export function decodeProfilePackage(bytes: Uint8Array): ProfileElement[] {
  const elements: ProfileElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tlv = atOffset(at, undefined, () => readTlv(bytes, at));
    elements.push(decodeTlv(tlv, at));
    at += tlv.raw.length;
  }
  return elements;
}

/** Reads the one element that fills `bytes`. Throws `SAIP_INVALID`. */
export function decodeProfileElement(bytes: Uint8Array): ProfileElement {
  const [only, ...rest] = atOffset(0, undefined, () => readTlvs(bytes));
  if (only === undefined || rest.length > 0) {
    throw new AgentError('SAIP_INVALID', { why: `${rest.length + (only ? 1 : 0)} elements, expected one` });
  }
  return decodeTlv(only, 0);
}

function decodeTlv(tlv: Tlv, offset: number): ProfileElement {
  const row = BY_TAG.get(tlv.tag);
  if (row === undefined) return unknownElement(tlv);
  const value = atOffset(offset, row.name, () => row.type.decode(tlv.value));
  return { type: row.name, value } as ProfileElement;
}

function unknownElement(tlv: Tlv): UnknownElement {
  const raw = Uint8Array.from(tlv.raw);
  try {
    const first = readTlv(tlv.value);
    if (first.tag === 0xa0)
      return { type: 'unknown', tag: tlv.tag, header: peHeader.decode(first.value), raw };
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
  }
  return { type: 'unknown', tag: tlv.tag, raw };
}

function atOffset<T>(offset: number, element: string | undefined, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    const { why, field } = cause.data;
    const data = { element, offset, field, why: why ?? cause.code };
    throw new AgentError('SAIP_INVALID', data, { cause });
  }
}

/** Writes elements back to back. What `decodeProfilePackage` read from DER comes out octet for octet. */
export function encodeProfilePackage(elements: readonly ProfileElement[]): Uint8Array {
  return concat(...elements.map(encodeProfileElement));
}

export function encodeProfileElement(element: ProfileElement): Uint8Array {
  if (element.type === 'unknown') return element.raw;
  const row = ROWS[element.type];
  if (row === undefined) throw new AgentError('SAIP_INVALID', { why: `no element ${element.type}` });
  return encodeTlv(contextTag(row.number), row.type.encode(element.value));
}

/** The name of an element as reports show it; the tag where it has none. */
export function elementName(element: ProfileElement): string {
  return element.type === 'unknown' ? tagText(element.tag) : element.type;
}
