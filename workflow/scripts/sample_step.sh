# shellcheck shell=bash
# Sourced by the rules of one sample. Broken reads end their sample, not the run: the step leaves the reason in
# `failed.txt`, alone in its output directory, and the steps after it pass it on. A job that is killed (memory, time) or
# finds a full disk fails as any job does, and is tried again.

# fail_sample REASON DIRECTORY...
fail_sample() {
    local reason=$1 directory
    shift
    for directory in "$@"; do
        rm -rf "$directory"
        mkdir -p "$directory"
        printf '%s\n' "$reason" >"$directory/failed.txt"
    done
    echo "this sample fails: $reason"
}

# pass_on_failure EARLIER DIRECTORY...: true where an earlier step failed, whose reason is then passed on
pass_on_failure() {
    local earlier=$1
    shift
    [ -e "$earlier/failed.txt" ] && fail_sample "$(cat "$earlier/failed.txt")" "$@"
}

# mark_failed DIRECTORY FILE: true where the step that fills DIRECTORY failed; FILE then says so, and holds no result
mark_failed() {
    [ -e "$1/failed.txt" ] && printf '# no result: %s\n' "$(cat "$1/failed.txt")" >"$2"
}

# end_step CODE STEP LOG DIRECTORY...: after a command that failed with CODE, whose messages are in LOG
end_step() {
    local code=$1 step=$2 log=$3 reason
    shift 3
    if [ "$code" -ge 126 ] || grep -qiE 'no space left|bad_alloc|cannot allocate memory' "$log"; then
        exit "$code"
    fi
    reason=$(grep -iE 'error|invalid|fail|exception' "$log" || cat "$log")
    fail_sample "$step: $(tail -n 1 <<<"$reason" | sed 's/\x1b\[[0-9;]*m//g' | cut -c 1-400)" "$@"
}

# stream_reads FQ1... -- [FQ2...]: the reads of all lanes, one file after the other, plain or gzip; mates in turns
stream_reads() {
    local first=()
    while [ "$1" != -- ]; do
        first+=("$1")
        shift
    done
    shift
    if [ $# -eq 0 ]; then
        stream_files "${first[@]}"
    else
        awk -v mates=<(stream_files "$@") \
            '{ print } NR % 4 == 0 { for (line = 0; line < 4; line++) { getline mate < mates; print mate } }' \
            <(stream_files "${first[@]}")
    fi
}

# stream_files FILE...: awk gives the last line of a file its end, where that lacks, so that no two lines become one
stream_files() {
    local file
    for file in "$@"; do
        gzip -cdf "$file" | awk 1
    done
}

# find_adapter FQ SCRATCH: the adapter of single-end reads, as fastp finds it in the first 100,000 of them, or nothing
find_adapter() {
    head -n 400000 <(gzip -cdf "$1") >"$2.fastq"
    fastp --in1 "$2.fastq" --json "$2.json" --html /dev/null --thread 1 --dont_eval_duplication 2>/dev/null &&
        sed -n 's/.*"read1_adapter_sequence": "\([ACGT]*\)".*/\1/p' "$2.json"
    rm -f "$2.fastq" "$2.json"
}
