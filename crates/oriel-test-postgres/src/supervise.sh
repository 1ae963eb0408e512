# Runs one PostgreSQL server for as long as standard input stays open, then removes every trace of it.
# Arguments: directory of the programs, parent of the data directory, the server's own options.
# Answers one line on standard output: "ready DIRECTORY" or "failed", the latter followed by the log.
#
# The reader of this file's output may be killed at any moment; the kernel then closes our standard input, so
# that no server and no directory outlives the tests.
bin=$1 parent=$2 options=$3
# The reader may already be gone when we answer, so SIGPIPE must not end us before we have cleaned up.
trap '' HUP INT TERM PIPE
directory=$(mktemp -d "$parent/oriel-postgres.XXXXXXXX") || { echo failed; exit 1; }
cd "$directory" || exit 1

# The server is our own child, not pg_ctl's, so that nobody is left to reap when this shell ends.
start() {
    "$bin/initdb" --auth=trust --username=postgres --encoding=UTF8 --locale=C --no-sync \
        --pgdata="$directory/data" >"$directory/log" 2>&1 </dev/null || return 1
    # The options are split into words on purpose.
    # shellcheck disable=SC2086
    "$bin/postgres" -D "$directory/data" -c listen_addresses= -c unix_socket_directories="$directory" $options \
        >>"$directory/log" 2>&1 </dev/null &
    server=$!
    until "$bin/pg_isready" --quiet --host="$directory" --username=postgres; do
        kill -0 $server 2>/dev/null || return 1
        sleep 0.02
    done
}

if start; then
    echo "ready $directory"
    read -r _
    # An immediate shutdown: the data is thrown away.
    kill -QUIT $server
    wait $server
else
    echo failed
    cat "$directory/log"
fi
cd /
rm -rf "$directory"
