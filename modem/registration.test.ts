import assert from 'node:assert/strict';
import { test } from 'node:test';
import { combineRegistration, parseDomainRegistration, parseRegistrationReport } from './registration.ts';

test('all forms of a registration answer are read', () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['+CREG: 1', ['CREG', { status: 'home' }]],
    [
      '+CEREG:5,"00C3","0000c33d",7',
      ['CEREG', { status: 'roaming', areaCode: '00C3', cellId: '0000C33D', accessTechnology: 7 }],
    ],
    [
      '+CEREG: 1,1A2B,01234567,9',
      ['CEREG', { status: 'home', areaCode: '1A2B', cellId: '01234567', accessTechnology: 9 }],
    ],
    ['+CEREG: 3,,,,0,8', ['CEREG', { status: 'denied', rejectCause: 8 }]],
    ['+CEREG: 4', ['CEREG', { status: 'unknown' }]],
    [
      '+CGREG: 3,"00C3","0000C33D",2,"01",0,7',
      [
        'CGREG',
        { status: 'denied', areaCode: '00C3', cellId: '0000C33D', accessTechnology: 2, rejectCause: 7 },
      ],
    ],
    [
      '+CEREG: 1,"00C3","0000C33D",7,,,"00100001","00000110"',
      ['CEREG', { status: 'home', areaCode: '00C3', cellId: '0000C33D', accessTechnology: 7 }],
    ],
    ['+CEREG: 90', ['CEREG', { status: 'unknown' }]],
    ['+CREG', undefined],
    ['+CSQ: 1,99', undefined],
  ];
  for (const [line, expected] of cases) assert.deepEqual(parseRegistrationReport(line), expected, line);
});

test('a packet domain with service counts, circuit switched service alone does not', () => {
  const of = (creg: string, cgreg: string | undefined, cereg: string | undefined) =>
    combineRegistration(
      new Map([
        ['CREG', parseDomainRegistration('CREG', creg)],
        ...(cgreg === undefined ? [] : [['CGREG', parseDomainRegistration('CGREG', cgreg)] as const]),
        ...(cereg === undefined ? [] : [['CEREG', parseDomainRegistration('CEREG', cereg)] as const]),
      ]),
    );
  assert.deepEqual(of('1', '4', '5'), {
    domain: 'CEREG',
    status: 'roaming',
    registered: true,
    roaming: true,
  });
  assert.deepEqual(of('1', '1', '0'), { domain: 'CGREG', status: 'home', registered: true, roaming: false });
  assert.equal(of('1', '4', '2').registered, false);
  assert.equal(of('1', '4', '2').status, 'searching');
  assert.equal(of('1', undefined, undefined).registered, true);
  assert.equal(of('6', undefined, undefined).registered, false);
  assert.equal(combineRegistration(new Map()).registered, false);
});
