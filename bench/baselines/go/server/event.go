package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type event struct {
	ID         *string         `json:"id"`
	EventType  string          `json:"event_type"`
	Source     *string         `json:"source"`
	Key        *string         `json:"key"`
	OccurredAt *string         `json:"occurred_at"`
	Payload    json.RawMessage `json:"payload"`

	// What it is stored under: the client's or one made here.
	id string
}

// decode answers the events of a body, and whether it was one that was sent as one.
func decode(contentType string, body []byte) ([]event, bool, error) {
	if isLines(contentType) {
		events, err := decodeLines(body)
		return events, false, err
	}
	if isArray(body) {
		var events []event
		if err := json.Unmarshal(body, &events); err != nil {
			return nil, false, err
		}
		return events, false, checkAll(events)
	}
	events := make([]event, 1)
	if err := json.Unmarshal(body, &events[0]); err != nil {
		return nil, true, err
	}
	return events, true, checkAll(events)
}

func decodeLines(body []byte) ([]event, error) {
	events := make([]event, 0, bytes.Count(body, []byte("\n"))+1)
	for len(body) > 0 {
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		body = rest
		if len(line) == 0 {
			continue
		}
		events = append(events, event{})
		if err := json.Unmarshal(line, &events[len(events)-1]); err != nil {
			return nil, err
		}
	}
	return events, checkAll(events)
}

func checkAll(events []event) error {
	if len(events) == 0 {
		return errors.New("no events")
	}
	for i := range events {
		e := &events[i]
		if e.EventType == "" || len(e.Payload) == 0 {
			return errors.New("event_type and payload must be there")
		}
		if e.ID != nil && len(*e.ID) != 36 {
			return errors.New("only UUIDs are taken as ids")
		}
	}
	return nil
}

// encode gives every event its id and makes its record: the envelope of the product's records, with the payload last. All of
// a request's values lie in one buffer.
func encode(events []event, now time.Time, bodyBytes int) []*kgo.Record {
	values := make([]byte, 0, bodyBytes+len(events)*128)
	stamp := now.UTC().Format("2006-01-02T15:04:05.000Z")
	records := make([]kgo.Record, len(events))
	pointers := make([]*kgo.Record, len(events))
	for i := range events {
		e := &events[i]
		if e.ID != nil {
			e.id = strings.ToLower(*e.ID)
		} else {
			e.id = newID(now)
		}
		start := len(values)
		values = appendEnvelope(values, e, stamp)
		records[i].Value = values[start:len(values):len(values)]
		if e.Key != nil {
			records[i].Key = []byte(*e.Key)
		}
		pointers[i] = &records[i]
	}
	return pointers
}

func appendEnvelope(to []byte, e *event, stamp string) []byte {
	to = append(to, `{"id":"`...)
	to = append(to, e.id...)
	to = append(to, `","event_type":`...)
	to = appendQuoted(to, e.EventType)
	to = appendOptional(to, `,"source":`, e.Source)
	to = appendOptional(to, `,"key":`, e.Key)
	to = appendOptional(to, `,"occurred_at":`, e.OccurredAt)
	to = append(to, `,"received_at":"`...)
	to = append(to, stamp...)
	to = append(to, `","payload":`...)
	to = append(to, e.Payload...)
	return append(to, '}')
}

func appendOptional(to []byte, name string, value *string) []byte {
	if value == nil {
		return to
	}
	return appendQuoted(append(to, name...), *value)
}

// What needs no escape, which is nearly everything, is copied as it stands.
func appendQuoted(to []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c < 0x20 || c > 0x7e || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(text)
			return append(to, quoted...)
		}
	}
	to = append(to, '"')
	to = append(to, text...)
	return append(to, '"')
}

// newID is a UUIDv7: the milliseconds, and 74 random bits.
func newID(now time.Time) string {
	var id [16]byte
	_, _ = rand.Read(id[6:])
	ms := now.UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	var text [36]byte
	hex.Encode(text[0:8], id[0:4])
	text[8] = '-'
	hex.Encode(text[9:13], id[4:6])
	text[13] = '-'
	hex.Encode(text[14:18], id[6:8])
	text[18] = '-'
	hex.Encode(text[19:23], id[8:10])
	text[23] = '-'
	hex.Encode(text[24:], id[10:])
	return string(text[:])
}
