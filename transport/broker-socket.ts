// The socket to a broker, TCP or TLS, and what its failures mean. TLS never falls back to anything weaker.
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { AgentError } from '../base/errors.ts';
import type { Secret } from '../base/log.ts';

/** PEM texts. Without `ca` the roots that come with Node decide. */
export type BrokerTls = {
  readonly ca?: string;
  readonly certificate?: string;
  readonly privateKey?: Secret<string>;
};

export type BrokerAddress = { readonly tls: boolean; readonly host: string; readonly port: number };

const SCHEMES: Readonly<Record<string, { readonly tls: boolean; readonly port: number }>> = {
  'mqtt:': { tls: false, port: 1883 },
  'tcp:': { tls: false, port: 1883 },
  'mqtts:': { tls: true, port: 8883 },
  'ssl:': { tls: true, port: 8883 },
};

/** Reads `mqtt://host[:1883]` or `mqtts://host[:8883]`. Throws `CONFIG_INVALID`. */
export function parseBrokerUrl(text: string): BrokerAddress {
  let url: URL | undefined;
  try {
    url = new URL(text);
  } catch {
    url = undefined;
  }
  const scheme = url === undefined ? undefined : SCHEMES[url.protocol];
  if (url === undefined || scheme === undefined || url.hostname === '' || !['', '/'].includes(url.pathname)) {
    throw new AgentError('CONFIG_INVALID', {
      url: text.slice(0, 120),
      why: 'not mqtt://host:port or mqtts://host:port',
    });
  }
  return {
    tls: scheme.tls,
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? scheme.port : Number(url.port),
  };
}

/** Begins to connect. Failures come as the socket's `error`. */
export function connectBroker(address: BrokerAddress, tls: BrokerTls): Socket {
  const { host, port } = address;
  if (!address.tls) return connectTcp({ host, port, noDelay: true });
  const socket = connectTls({
    host,
    port,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls.certificate === undefined ? {} : { cert: tls.certificate }),
    ...(tls.privateKey === undefined ? {} : { key: tls.privateKey.reveal() }),
    rejectUnauthorized: true,
  });
  socket.setNoDelay(true);
  return socket;
}

/** Node's and OpenSSL's names for a server certificate that does not hold, in words. */
const UNTRUSTED: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its issuer is not in the configured CA file',
  SELF_SIGNED_CERT_IN_CHAIN: 'its issuer is not in the configured CA file',
  UNABLE_TO_GET_ISSUER_CERT: 'its issuer is not in the configured CA file',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its issuer is not in the configured CA file',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its issuer is not in the configured CA file',
  CERT_SIGNATURE_FAILURE: 'its signature is not by the configured CA',
  CERT_UNTRUSTED: 'it is not trusted for this purpose',
  INVALID_PURPOSE: 'it is not a server certificate',
  INVALID_CA: 'its issuer is not a CA',
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet, by the clock of this device',
  CERT_REVOKED: 'it is revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another host name',
  HOSTNAME_MISMATCH: 'it is for another host name',
};

const UNREACHABLE: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be looked up now',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no network',
  EPIPE: 'connection closed',
};

/** What the failure of a socket means: `TLS_UNTRUSTED`, `BROKER_REFUSED` or `BROKER_UNREACHABLE`. */
export function socketFailure(address: BrokerAddress, error: Error): AgentError {
  if (error instanceof AgentError) return error;
  const broker = `${address.host}:${address.port}`;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  const untrusted = UNTRUSTED[code];
  if (untrusted !== undefined)
    return new AgentError('TLS_UNTRUSTED', { broker, why: untrusted }, { cause: error });
  if (code.includes('_ALERT_')) {
    const why = 'it does not accept the certificate of this client';
    return new AgentError('BROKER_REFUSED', { broker, why, alert: code }, { cause: error });
  }
  const why = code.startsWith('ERR_SSL_')
    ? 'the port does not speak TLS as expected'
    : (UNREACHABLE[code] ?? code);
  return new AgentError('BROKER_UNREACHABLE', { broker, why }, { cause: error });
}
