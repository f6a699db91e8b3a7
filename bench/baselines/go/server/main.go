// Command server is what the product's ingest on Kafka is measured against: the same job as somebody writes it in Go who wants
// it fast, with net/http and franz-go.
//
// It takes one event, an array of them or one a line, decodes with encoding/json (the payload stays text), asks for an
// event_type and a payload, gives each event an id, wraps it in the envelope that the product's records have, and answers 202
// with a receipt of the product's form once every in-sync replica has all of the request. franz-go as it comes: idempotent
// producer, acks=all, records without a key go to one partition after another, a batch each; those with one where every Kafka
// client would put them. No compression, as the product has none. GOMAXPROCS as Go sets it: all cores.
//
// It leaves out: everything else that the product asks of an event (lengths, depth, numbers, UTF-8, unknown fields), ids that
// are no UUIDs, idempotency keys, compressed bodies, problems in detail, metrics, a bounded queue, whether the topic is still
// the one it was.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// As the product's.
	bodyBytesMax  = 8 << 20
	appendTimeout = 5 * time.Second
	// More than 64 requests of 10,000 events hold, so that taking in never waits for a buffer to have room.
	bufferedRecordsMax = 1 << 20
)

func main() {
	brokers := flag.String("brokers", "", "host:port of a broker")
	topic := flag.String("topic", "", "must be there")
	linger := flag.Duration("linger", 0, "how long a record waits for others")
	flag.Parse()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*brokers),
		kgo.DefaultProduceTopic(*topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(*linger),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedRecords(bufferedRecordsMax),
		kgo.RecordDeliveryTimeout(appendTimeout),
	)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening at %s\n", listener.Addr())
	go endWithParent()
	log.Fatal(http.Serve(listener, http.HandlerFunc(ingest{client}.handle)))
}

// Whoever started this holds the other end, and it closes however that process ends.
func endWithParent() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

type ingest struct{ client *kgo.Client }

func (in ingest) handle(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/api/events" {
		http.NotFound(w, r)
		return
	}
	body, err := read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	events, single, err := decode(r.Header.Get("Content-Type"), body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	records := encode(events, time.Now(), len(body))
	if err := in.client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	answer := receipt(events, single)
	// Without it net/http would send a long answer in chunks.
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write(answer)
}

func read(r *http.Request) ([]byte, error) {
	if r.ContentLength > bodyBytesMax {
		return nil, errors.New("the body is too large")
	}
	if r.ContentLength < 0 {
		return io.ReadAll(io.LimitReader(r.Body, bodyBytesMax))
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

func receipt(events []event, single bool) []byte {
	if single {
		return appendResult(make([]byte, 0, 80), events[0].id)
	}
	count := len(events)
	answer := make([]byte, 0, 80+count*72)
	answer = fmt.Appendf(answer, `{"accepted":%d,"rejected":0,"retry":0,"results":[`, count)
	for i := range events {
		if i > 0 {
			answer = append(answer, ',')
		}
		answer = appendResult(answer, events[i].id)
	}
	return append(answer, "]}"...)
}

func appendResult(answer []byte, id string) []byte {
	answer = append(answer, `{"id":"`...)
	answer = append(answer, id...)
	return append(answer, `","status":"accepted"}`...)
}

func isLines(contentType string) bool {
	return contentType == "application/x-ndjson"
}

func isArray(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("["))
}
