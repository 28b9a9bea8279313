// A command line of ITU-T V.250 (5.2.1, 5.3, 5.4) cut into its commands: basic, S-register and extended syntax.

export type CommandForm = 'action' | 'read' | 'test' | 'set';

export type ParsedCommand = {
  /** Upper case, with its prefix: `E`, `&F`, `S3`, `+CSIM`, `^SYSINFO`. */
  readonly name: string;
  readonly form: CommandForm;
  /** What follows `=`, a basic command's number, or the dial string. */
  readonly value: string;
};

/** One parameter of an extended command: a number or word as it stands, or a string constant without its quotes. */
export type Parameter = { readonly text: string; readonly quoted: boolean };

const EXTENDED = /^[+^#$%*!@][A-Z0-9!%\-./:_]+/i;
const BASIC = /^&?[A-Z]/i;

/** The commands of a line without its AT, or undefined when the line breaks the syntax. */
export function parseCommandLine(body: string): readonly ParsedCommand[] | undefined {
  const commands: ParsedCommand[] = [];
  let rest = withoutSpaces(body);
  while (rest.length > 0) {
    const found = EXTENDED.test(rest) ? takeExtended(rest) : takeBasic(rest);
    if (found === undefined) return undefined;
    commands.push(found.command);
    // Basic commands need no semicolon after them; one in front of the next command does no harm.
    rest = found.rest.replace(/^;(?=.)/, '');
  }
  return commands;
}

type Taken = { readonly command: ParsedCommand; readonly rest: string };

function takeExtended(text: string): Taken | undefined {
  const name = EXTENDED.exec(text)?.[0] ?? '';
  const end = endOfCommand(text);
  const tail = text.slice(name.length, end);
  const rest = text.slice(end + 1);
  const command = (form: CommandForm, value = ''): Taken => ({
    command: { name: name.toUpperCase(), form, value },
    rest,
  });
  if (tail === '') return command('action');
  if (tail === '?') return command('read');
  if (tail === '=?') return command('test');
  if (tail.startsWith('=')) return command('set', tail.slice(1));
  return undefined;
}

function takeBasic(text: string): Taken | undefined {
  const name = BASIC.exec(text)?.[0]?.toUpperCase();
  if (name === undefined) return undefined;
  if (name === 'S') return takeRegister(text);
  if (name === 'D') {
    const end = endOfCommand(text);
    return { command: { name, form: 'action', value: text.slice(1, end) }, rest: text.slice(end + 1) };
  }
  const value = /^\d*/.exec(text.slice(name.length))?.[0] ?? '';
  return { command: { name, form: 'action', value }, rest: text.slice(name.length + value.length) };
}

function takeRegister(text: string): Taken | undefined {
  const match = /^S(\d+)(?:\?|=(\d*))/i.exec(text);
  if (match === null) return undefined;
  return {
    command: {
      name: `S${Number(match[1])}`,
      form: match[2] === undefined ? 'read' : 'set',
      value: match[2] ?? '',
    },
    rest: text.slice(match[0].length),
  };
}

/** Where the next `;` outside of a string constant is, or the end. */
function endOfCommand(text: string): number {
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') quoted = !quoted;
    else if (text[i] === ';' && !quoted) return i;
  }
  return text.length;
}

/** Spaces count only inside string constants (5.2.1). */
function withoutSpaces(text: string): string {
  return text.replace(/"[^"]*"?|\s+/g, (part) => (part.startsWith('"') ? part : ''));
}

/** A backslash and two hexadecimal digits stand for a character (5.4.2.2). */
function unescaped(text: string): string {
  return text.replace(/\\([0-9A-F]{2})/gi, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
}

/** Cuts a value at its commas; a missing parameter is undefined. Undefined as a whole when a string does not end. */
export function parseParameters(value: string): readonly (Parameter | undefined)[] | undefined {
  if (value === '') return [];
  const found: (Parameter | undefined)[] = [];
  const pattern = /\s*(?:"([^"]*)"|([^",]*))\s*(,|$)/y;
  for (;;) {
    const match = pattern.exec(value);
    if (match === null) return undefined;
    if (match[1] !== undefined) found.push({ text: unescaped(match[1]), quoted: true });
    else
      found.push(match[2] === undefined || match[2] === '' ? undefined : { text: match[2], quoted: false });
    if (match[3] === '') return found;
  }
}
