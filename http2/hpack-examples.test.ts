/** The examples of RFC 7541, appendix C. */
import { describe, expect, it } from 'vitest';
import type { OutgoingFields } from './header-fields.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import { HpackEncoder } from './hpack-encoder.ts';

interface Example {
  readonly fields: OutgoingFields;
  readonly plain: string;
  readonly huffman: string;
}

const requests: readonly Example[] = [
  {
    fields: { ':method': 'GET', ':scheme': 'http', ':path': '/', ':authority': 'www.example.com' },
    plain: '828684410f7777772e6578616d706c652e636f6d',
    huffman: '828684418cf1e3c2e5f23a6ba0ab90f4ff',
  },
  {
    fields: {
      ':method': 'GET',
      ':scheme': 'http',
      ':path': '/',
      ':authority': 'www.example.com',
      'cache-control': 'no-cache',
    },
    plain: '828684be58086e6f2d6361636865',
    huffman: '828684be5886a8eb10649cbf',
  },
  {
    fields: {
      ':method': 'GET',
      ':scheme': 'https',
      ':path': '/index.html',
      ':authority': 'www.example.com',
      'custom-key': 'custom-value',
    },
    plain: '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    huffman: '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
  },
];

const responses: readonly Example[] = [
  {
    fields: {
      ':status': '302',
      'cache-control': 'private',
      date: 'Mon, 21 Oct 2013 20:13:21 GMT',
      location: 'https://www.example.com',
    },
    plain:
      '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54' +
      '6e1768747470733a2f2f7777772e6578616d706c652e636f6d',
    huffman:
      '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
  },
  {
    fields: {
      ':status': '307',
      'cache-control': 'private',
      date: 'Mon, 21 Oct 2013 20:13:21 GMT',
      location: 'https://www.example.com',
    },
    plain: '4803333037c1c0bf',
    huffman: '4883640effc1c0bf',
  },
  {
    fields: {
      ':status': '200',
      'cache-control': 'private',
      date: 'Mon, 21 Oct 2013 20:13:22 GMT',
      location: 'https://www.example.com',
      'content-encoding': 'gzip',
      'set-cookie': 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    },
    plain:
      '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d415344' +
      '4a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
    huffman:
      '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f' +
      '3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
  },
];

const decoders = { plain: 4_096, huffman: 4_096 };

describe('the literals of C.2', () => {
  it.each([
    ['with indexing', '400a637573746f6d2d6b65790d637573746f6d2d686561646572', { 'custom-key': 'custom-header' }],
    ['without indexing', '040c2f73616d706c652f70617468', { ':path': '/sample/path' }],
    ['never indexed', '100870617373776f726406736563726574', { password: 'secret' }],
    ['of the static table', '82', { ':method': 'GET' }],
  ])('are decoded: %s', (_, hex, fields) => {
    const decoder = new HpackDecoder({ tableBytesMax: 4_096, listBytesMax: 4_096 });
    expect({ ...decodedFields(decoder, hex) }).toEqual(fields);
  });
});

describe.each(Object.keys(decoders) as (keyof typeof decoders)[])('the series in %s', (form) => {
  it('of requests is decoded', () => {
    const decoder = new HpackDecoder({ tableBytesMax: 4_096, listBytesMax: 4_096 });
    for (const request of requests) expect({ ...decodedFields(decoder, request[form]) }).toEqual(request.fields);
  });

  it('of responses is decoded with a table of 256 bytes', () => {
    const decoder = new HpackDecoder({ tableBytesMax: 256, listBytesMax: 4_096 });
    decoder.decode(Buffer.from('3fe101', 'hex'));
    for (const response of responses) expect({ ...decodedFields(decoder, response[form]) }).toEqual(response.fields);
  });
});

describe('the encoder', () => {
  it('makes the requests without Huffman (C.3)', () => {
    const encoder = new HpackEncoder({ tableBytesMax: 4_096 });
    expect(requests.map(({ fields }) => encoder.encode(fields).toString('hex'))).toEqual(requests.map((r) => r.plain));
  });

  it('makes the responses without Huffman (C.5), behind the size that the peer asked for', () => {
    const encoder = new HpackEncoder({ tableBytesMax: 4_096 });
    encoder.peerTableBytesMax = 256;
    const expected = responses.map((response) => response.plain);
    expect(responses.map(({ fields }) => encoder.encode(fields).toString('hex'))).toEqual([
      `3fe101${expected[0]}`,
      ...expected.slice(1),
    ]);
  });
});

function decodedFields(decoder: HpackDecoder, hex: string): Record<string, string> {
  const fields = decoder.decode(Buffer.from(hex, 'hex'));
  if (fields === 'too-large') throw new Error('too large');
  return fields;
}
