import { expect } from 'chai';
import { cases, operations } from './cases.ts';

/** The other suites of this folder run every case through every check, so a case is all that an operation can lack. */
describe('the contract cases', () => {
  const tested = cases.map(each => each.op.soap);

  it('leave no operation out', () => {
    expect(operations.map(op => op.soap).filter(name => !tested.includes(name))).to.deep.equal([]);
  });

  it('have no operation twice and none that is not served', () => {
    expect(tested.toSorted()).to.deep.equal([...new Set(operations.map(op => op.soap))].toSorted());
  });

  it('make what a path names for every path that names something', () => {
    const lacking = cases.filter(({ op, path }) => op.pathParameters.length > 0 && !path);
    expect(lacking.map(({ op }) => op.soap)).to.deep.equal([]);
  });
});
