package mockapi

import (
	"encoding/binary"
	"hash/crc32"
)

// textHeader is the type of a header whose value is a text.
const textHeader = 7

// frame encodes one event in AWS's binary event stream encoding: total length, length of the headers, a CRC-32 of
// both, the headers, the payload, and a CRC-32 of the whole.
func frame(kind string, payload []byte) []byte {
	var headers []byte
	for _, h := range [...][2]string{{":event-type", kind}, {":content-type", "application/json"}, {":message-type", "event"}} {
		headers = append(append(headers, byte(len(h[0]))), h[0]...)
		headers = append(binary.BigEndian.AppendUint16(append(headers, textHeader), uint16(len(h[1]))), h[1]...)
	}
	const around = 3*4 + 4
	b := binary.BigEndian.AppendUint32(nil, uint32(around+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, headers...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}
