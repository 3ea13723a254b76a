import { expect } from 'chai';
import { plainText } from '../../src/mail/plain-text.ts';

describe('the plain-text alternative', () => {
  const cases: [string, string, string][] = [
    ['keeps the words of paragraphs on lines of their own', '<p>One\n two</p><p>Three</p>', 'One two\nThree'],
    [
      'shows where a link leads',
      'See <a class="x" href="https://a.example/?b=1&amp;c=2">this</a>.',
      'See this <https://a.example/?b=1&c=2>.',
    ],
    ['shows no target but http and https', '<a href="javascript:alert(1)">here</a>', 'here'],
    ['marks list items', '<ul><li>one</li><li>two</li></ul>', '- one\n\n- two'],
    ['leaves out what nobody reads', '<style>p{}</style><p>x<!-- > y --></p><script>if (a<b) {}</script>z', 'x\nz'],
    ['decodes entities', '&lt;b&gt; &amp;amp; &#228;&#xe4; &nope;', '<b> &amp; ää &nope;'],
    ['drops entities that name a control character or half a character', 'a&#0;b&#xd800;c&#27;d', 'abcd'],
    ['takes a lone angle bracket for itself', '1 < 2 and 3 > 2', '1 < 2 and 3 > 2'],
    ['ends at a tag that never ends', 'x <b', 'x'],
  ];
  for (const [claim, html, text] of cases) {
    it(claim, () => expect(plainText(html)).to.equal(text));
  }

  it('reads two megabytes of hostile tags in one pass', () => {
    for (const part of ['<!--', '<script>', '<a href="', '<', '&#', '</', '<p ']) {
      const html = part.repeat(2_000_000 / part.length);
      // A second pass over the rest for every tag would outlast the test's time by far.
      expect(plainText(html).length, part).to.be.at.most(html.length);
    }
  });
});
