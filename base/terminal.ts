// What a program says to whoever started it: its readers may go away, and what it quotes must not steer their terminal.

/**
 * Keeps the program at its work when a reader of its output is gone, as after `| head`, a terminal hangs up, or the disk behind it is
 * full: an installation is worth more than a line of the log. What else fails on standard output is told, and is a failure at the end.
 */
export function outliveReaders(): void {
  process.stderr.on('error', () => {});
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || error.code === 'EIO') return;
    process.stderr.write(`standard output: ${error.message}\n`);
    process.exitCode = 1;
  });
}

/** Text with control characters of a modem, a card or a file spelled out, line ends and tabs aside. JSON stays the same JSON. */
export function visible(text: string): string {
  return text.replaceAll(
    // eslint-disable-next-line no-control-regex -- these are what a terminal obeys
    /[\0-\x08\x0b-\x1f\x7f-\x9f]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
