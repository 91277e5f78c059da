package credential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"
)

// maxSecretFile bounds one file, in bytes.
const maxSecretFile = 64 << 10

// Files is a folder of secrets: each is a folder, and each of its files a field, as Kubernetes mounts them. What leads out of the
// folder, by its name or by a link, is not read: whoever writes policies may not read the machine's other files.
type Files struct{ dir string }

// NewFiles does no I/O.
func NewFiles(dir string) *Files { return &Files{dir} }

// Prepare has nothing to do.
func (*Files) Prepare(context.Context) error { return nil }

// Wakes has nothing to renew.
func (*Files) Wakes() (time.Duration, bool) { return 0, false }

// Close has nothing to end.
func (*Files) Close() {}

// Read reads every file of a secret's folder, each less one line break at its end.
func (f *Files) Read(_ context.Context, name string) (map[string]any, error) {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, f.Faultf("the folder cannot be opened: %s", cause(err))
	}
	defer func() { _ = root.Close() }()
	secret, err := root.OpenRoot(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errNotFound
	case err != nil:
		return nil, f.Faultf("%s cannot be opened: %s", clip(name), cause(err))
	}
	defer func() { _ = secret.Close() }()
	list, err := fs.ReadDir(secret.FS(), ".")
	if err != nil {
		return nil, f.Faultf("%s cannot be listed: %s", clip(name), cause(err))
	}
	fields := map[string]any{}
	for _, entry := range list {
		if strings.HasPrefix(entry.Name(), ".") { // Kubernetes keeps its versions in ..data
			continue
		}
		text, err := readField(root, name+"/"+entry.Name())
		if err != nil {
			return nil, f.Faultf("%s cannot be read: %s", clip(name+"/"+entry.Name()), cause(err))
		}
		if text != nil {
			fields[entry.Name()] = *text
		}
		if len(fields) > maxFields {
			break // too many, which is told where they are counted
		}
	}
	return fields, nil
}

// readField reads one file; nil for what is none. Links may lead elsewhere below the root, and nowhere else.
func readField(root *os.Root, name string) (*string, error) {
	if info, err := root.Stat(name); err != nil || !info.Mode().IsRegular() { // a pipe would be waited for
		return nil, err
	}
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSecretFile {
		return nil, fmt.Errorf("it is longer than %d bytes", maxSecretFile)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	return &text, nil
}

// Advice says what to write.
func (f *Files) Advice(name string, _ bool, fields []string) string {
	list := make([]string, 0, len(fields))
	for _, field := range fields {
		if field == "" {
			field = awsFields[0] + " and " + f.dir + "/" + clip(name) + "/" + awsFields[1]
		}
		list = append(list, f.dir+"/"+clip(name)+"/"+clip(field))
	}
	return "write the file " + strings.Join(list, " and ")
}

// Faultf makes one sentence about the files.
func (f *Files) Faultf(format string, args ...any) error {
	return &fault{"secrets in " + f.dir + ": " + fmt.Sprintf(format, args...), nil}
}
