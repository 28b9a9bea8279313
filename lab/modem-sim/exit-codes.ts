// How euicc-modem-sim ends. docs/exit-codes.md is written from it.
export const SIM_EXIT = { ok: 0, internal: 1, usage: 2, input: 10, held: 11, address: 12 } as const;

export const SIM_EXITS = [
  [SIM_EXIT.ok, 'stopped by SIGINT or SIGTERM'],
  [SIM_EXIT.internal, 'a fault of the program'],
  [SIM_EXIT.usage, 'the command line is wrong'],
  [SIM_EXIT.input, 'a file that was given cannot be used: card, key, radio file, or the name of the link'],
  [SIM_EXIT.held, 'another process holds the card, or the one that serves it cannot be reached'],
  [SIM_EXIT.address, 'the network address cannot be used'],
] as const;
