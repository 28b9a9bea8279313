// Keeps every octet that crossed a line between two parties, so that it can be searched afterwards.
import { concat } from '../base/bytes.ts';

/** The lines that are listened to. `mqtt-payload` holds the payload of one PUBLISH an entry. */
export type Channel = 'serial-out' | 'serial-in' | 'mqtt-out' | 'mqtt-in' | 'mqtt-payload';

export type Recording = {
  readonly channel: Channel;
  /** The MQTT topic, or empty. */
  readonly topic: string;
  readonly bytes: Uint8Array;
};

export type Recorder = {
  record(channel: Channel, bytes: Uint8Array, topic?: string): void;
  /** Octets seen on a channel so far. */
  count(channel: Channel): number;
  /** One entry a channel with all its octets in order; PUBLISH payloads stay apart. */
  recordings(): Recording[];
};

export function createRecorder(): Recorder {
  const streams = new Map<Channel, { parts: Uint8Array[]; length: number }>();
  const payloads: Recording[] = [];
  const streamOf = (channel: Channel): { parts: Uint8Array[]; length: number } => {
    let stream = streams.get(channel);
    if (stream === undefined) streams.set(channel, (stream = { parts: [], length: 0 }));
    return stream;
  };
  return {
    record(channel, bytes, topic = '') {
      const copy = Uint8Array.from(bytes);
      const stream = streamOf(channel);
      stream.length += copy.length;
      if (channel === 'mqtt-payload') payloads.push({ channel, topic, bytes: copy });
      else stream.parts.push(copy);
    },
    count: (channel) => streams.get(channel)?.length ?? 0,
    recordings() {
      const whole = [...streams]
        .filter(([channel]) => channel !== 'mqtt-payload')
        .map(([channel, { parts }]) => ({ channel, topic: '', bytes: concat(...parts) }));
      return [...whole, ...payloads];
    },
  };
}
