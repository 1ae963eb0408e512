package oriel

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

func sign(secret, id, seconds string, body []byte) (string, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, key)
	if _, err := io.WriteString(mac, id+"."+seconds+"."+string(body)); err != nil {
		return "", err
	}
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

func readAll(t *testing.T, response *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func readBody(t *testing.T, request *http.Request) string {
	t.Helper()
	data, err := io.ReadAll(request.Body)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

func asError(err error, into **Error) bool { return errors.As(err, into) }
