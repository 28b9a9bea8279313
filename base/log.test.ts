import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { format, inspect } from 'node:util';
import { createVirtualClock } from './clock.ts';
import { createLog, type LogFields, type LogLevel, Secret, silentLog } from './log.ts';

const KEY = '00112233445566778899AABBCCDDEEFF';

function lines(
  level: LogLevel,
  write: (log: ReturnType<typeof createLog>) => void,
): Record<string, unknown>[] {
  const out: string[] = [];
  write(createLog({ clock: createVirtualClock(Date.UTC(2026, 0, 2)), level, out: (line) => out.push(line) }));
  return out.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('the log', () => {
  test('writes one JSON object a line: time, level, place, message, fields', () => {
    assert.deepEqual(
      lines('trace', (log) =>
        log.write('info', 'modem.at', 'answer', { sw: '9000', n: 2, list: [1, null, true] }),
      ),
      [
        {
          t: '2026-01-02T00:00:00.000Z',
          level: 'info',
          at: 'modem.at',
          msg: 'answer',
          sw: '9000',
          n: 2,
          list: [1, null, true],
        },
      ],
    );
  });

  test('drops what is below its level', () => {
    const all: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error'];
    for (const [i, level] of all.entries()) {
      const written = lines(level, (log) => {
        for (const each of all) log.write(each, 'a', 'm');
      });
      assert.deepEqual(
        written.map((line) => line['level']),
        all.slice(i),
      );
    }
  });

  test('keeps its own four fields whatever the caller passes', () => {
    const fields: LogFields = { level: 'error', at: 'elsewhere', msg: 'other', t: 0, extra: 1 };
    const [line] = lines('info', (log) => log.write('info', 'here', 'this', fields));
    assert.deepEqual(Object.keys(line ?? {}), ['t', 'level', 'at', 'msg', 'extra']);
    assert.deepEqual([line?.['level'], line?.['at'], line?.['msg']], ['info', 'here', 'this']);
  });

  test('keeps a message with line ends on one line', () => {
    const out: string[] = [];
    const log = createLog({ clock: createVirtualClock(), level: 'info', out: (line) => out.push(line) });
    log.write('info', 'a', 'one\ntwo\r\u2028three');
    assert.equal(out.length, 1);
    assert.doesNotMatch(out[0] ?? '', /[\n\r]/);
  });

  test('can be silent', () => {
    assert.equal(silentLog.write('error', 'a', 'm'), undefined);
  });
});

describe('a secret', () => {
  test('is shown by nothing but reveal', () => {
    const secret = new Secret(KEY);
    const holder = { name: 'k', secret, list: [secret], error: new Error('x', { cause: { secret } }) };
    const shown = [
      String(secret),
      `a ${secret as unknown as string}`,
      JSON.stringify(holder),
      inspect(holder, { depth: 9, showHidden: true }),
      inspect(secret, { customInspect: false, showHidden: true }),
      format('%s %o %j %O', secret, secret, secret, holder),
      JSON.stringify(Object.assign({}, secret)),
      JSON.stringify(structuredClone({ secret })),
      Object.entries(secret).join(),
      ...lines('info', (log) => log.write('info', 'a', 'm', { secret, list: [secret] })).map((line) =>
        JSON.stringify(line),
      ),
    ].join('\n');
    assert.doesNotMatch(shown, new RegExp(KEY));
    assert.match(shown, /\[secret\]/);
    assert.equal(secret.reveal(), KEY);
  });
});
