// The part of the package that loads its native binding; the package declares only its public functions.
declare module '@lydell/node-pty/requireBinary.js' {
  const loader: { requireBinary(file: string): unknown };
  // oxlint-disable-next-line import/no-default-export -- it is how Node shows a CommonJS module
  export default loader;
}
