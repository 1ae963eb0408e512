package oriel

import (
	"encoding/json"
	"reflect"
	"strings"
)

// required looks for members that a struct's tags say must be there: `required:"true"`. encoding/json takes whatever comes.
func required(data json.RawMessage, into any) error {
	value := reflect.TypeOf(into)
	for value != nil && value.Kind() == reflect.Pointer {
		value = value.Elem()
	}
	if value == nil || value.Kind() != reflect.Struct {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(data, &members) != nil {
		return nil
	}
	for index := range value.NumField() {
		field := value.Field(index)
		if field.Tag.Get("required") != "true" {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		if there, ok := members[name]; !ok || string(there) == "null" {
			return Errorf(InvalidInput, "`%s` is missing", name)
		}
	}
	return nil
}
