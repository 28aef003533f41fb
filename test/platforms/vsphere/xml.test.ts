/** XML of a vSphere server: what is read from answers, what is refused, and what is written. */
import * as fc from 'fast-check';
import {
  child,
  childrenOf,
  element,
  managedObject,
  parseXml,
  reference,
  textOf,
  writeXml,
  XmlError,
  type XmlLimits,
} from '../../../platforms/vsphere/soap/xml';
import { propertyRuns } from '../../support/property-runs';
import { anyCharacter } from '../../support/any-character';

const LIMITS: XmlLimits = { length: 10_000, tags: 100, depth: 5 };

test('elements are read in order, without prefixes, with their types and references', () => {
  const root = parseXml(
    '<?xml version="1.0"?>\n<a:list xmlns:xsi="urn:x"><val xsi:type="ns1:Thing">one</val><val>two</val>' +
      '<vm type="VirtualMachine">vm-7</vm><none/></a:list>\n',
    LIMITS,
  );
  expect(root.name).toBe('list');
  expect(childrenOf(root, 'val').map(({ type, text }) => [type, text])).toEqual([
    ['Thing', 'one'],
    [undefined, 'two'],
  ]);
  expect(managedObject(child(root, 'vm'))).toEqual({ type: 'VirtualMachine', id: 'vm-7' });
  expect(managedObject(child(root, 'none'))).toBeUndefined();
  expect(textOf(root, 'none')).toBe('');
  expect(textOf(root, 'absent')).toBeUndefined();
});

test('the entities of XML and character references are decoded once, others stay', () => {
  const root = parseXml('<a>&lt;&amp;lt;&#65;&#x1F600;&nbsp;&#x110000;<![CDATA[&lt;]]></a>', LIMITS);
  expect(root.text).toBe('<&lt;A😀&nbsp;&#x110000;&lt;');
});

test.each([
  ['a document type', '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', /document type/],
  ['too many characters', `<a>${'x'.repeat(10_000)}</a>`, /more than 10000 characters/],
  ['too many tags', `<a>${'<b/>'.repeat(100)}</a>`, /more than 100 tags/],
  ['elements nested too deeply', '<a><b><c><d><e><f/></e></d></c></b></a>', /nested too deeply/],
  ['a name that every object inherits', '<a><constructor/></a>', /constructor/],
  ['two roots', '<a/><b/>', /root/],
  ['a tag that is not closed', '<a><b></a>', /closing tag/],
  ['no XML', 'Service Unavailable', /./],
  ['nothing', '', /./],
])('%s is refused', (_, text, reason) => {
  expect(() => parseXml(text, LIMITS)).toThrow(XmlError);
  expect(() => parseXml(text, LIMITS)).toThrow(reason);
});

test('any text that XML can hold comes back as it was written, in content and in attributes', () => {
  const limits = { length: 100_000, tags: 10, depth: 5 };
  const holdable = fc
    .string({ unit: anyCharacter })
    // eslint-disable-next-line no-control-regex -- the characters that XML 1.0 forbids
    .filter((text) => !/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u.test(text));
  fc.assert(
    fc.property(holdable, (text) => {
      const root = parseXml(writeXml(element('a', [element('b', text, text)])), limits);
      expect(textOf(root, 'b')).toBe(text);
    }),
    { numRuns: propertyRuns(200) },
  );
});

test('what XML cannot hold is replaced, and nothing of it ends an element', () => {
  expect(writeXml(element('a', 'x\u0000</a><b>\ud800'))).toBe('<a>x\ufffd&lt;/a&gt;&lt;b&gt;\ufffd</a>');
  expect(writeXml(reference('vm', { type: 'VirtualMachine', id: '"><x>' }))).toBe(
    '<vm type="VirtualMachine">&quot;&gt;&lt;x&gt;</vm>',
  );
});
