# shellcheck shell=bash
# Sourced by the rules of one sample. Reads that cannot be used end their sample, not the run: the step leaves the reason
# in `failed.txt` in its output directory, and the steps after it pass it on. Whatever else goes wrong (a killed job, a
# full disk, a tool that breaks) fails the job, as in any rule.

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

# mark_failed DIRECTORY FILE...: true where the step that fills DIRECTORY failed; each FILE then says so, and holds no result
mark_failed() {
    local directory=$1 file
    shift
    [ -e "$directory/failed.txt" ] || return
    for file in "$@"; do
        printf '# no result: %s\n' "$(cat "$directory/failed.txt")" >"$file"
    done
}

# why_no_result FILE: why FILE holds no result, where it says so (mark_failed); nothing where it holds one
why_no_result() {
    local LC_ALL=C
    head -c 4000 "$1" | tr -d '\0' | sed -n '1s/^# no result: //p'
}

# pass_on_no_result EARLIER DIRECTORY...: true where the file EARLIER says that its sample failed; the reason is passed on
pass_on_no_result() {
    local reason
    reason=$(why_no_result "$1")
    shift
    [ -n "$reason" ] && fail_sample "$reason" "$@"
}

# repeat_no_result EARLIER FILE...: true where the file EARLIER says that its sample failed; each FILE then says so as well
repeat_no_result() {
    local reason file
    reason=$(why_no_result "$1")
    shift
    [ -n "$reason" ] || return
    for file in "$@"; do
        printf '# no result: %s\n' "$reason" >"$file"
    done
}

# step_failed CODE STEP LOG DIRECTORY...: after a command that failed with CODE. Only what Salmon says of the reads
# themselves ends the sample; check_reads has read them all before.
step_failed() {
    local code=$1 step=$2 log=$3 reason
    shift 3
    reason=$(grep 'salmon was only able to assign' "$log") ||
        exit "$code"
    fail_sample "$step: $(tail -n 1 <<<"$reason" | sed $'s/\e\\[[0-9;]*m//g; s/.*] salmon/salmon/' | cut -c 1-400)" "$@"
}

# unpacked FILE: its text, whether it is gzip or plain; its last line gets its end where that lacks, so that no two lines
# of two files become one
unpacked() {
    local LC_ALL=C start=
    IFS= read -r -n 2 -d '' start <"$1" || true
    if [ "$start" = $'\x1f\x8b' ]; then
        gzip -cd "$1" | awk 1
    else
        awk 1 "$1"
    fi
}

# unpacked_all FILE...: one after the other; the first that cannot be read ends it
unpacked_all() {
    local file
    for file in "$@"; do
        unpacked "$file" || return
    done
}

# stream_reads FQ1... -- [FQ2...]: the reads of all lanes; mates in turns
stream_reads() {
    local first=()
    while [ "$1" != -- ]; do
        first+=("$1")
        shift
    done
    shift
    if [ $# -eq 0 ]; then
        unpacked_all "${first[@]}"
    else
        unpacked_all "${first[@]}" | awk -v mates=<(unpacked_all "$@") '
            { print }
            NR % 4 == 0 { for (line = 0; line < 4; line++) { if ((getline mate < mates) <= 0) exit 3; print mate } }'
    fi
}

# all_reads FOUND CHECKED: the job fails where a step saw other reads than were checked, as after an error of the disk
all_reads() {
    if [ -z "$1" ]; then
        echo "the tool did not write how many reads it saw, so its output is not whole: the job has to run again"
        exit 1
    fi
    [ "$1" = "$2" ] && return
    echo "$1 reads came through, $2 were checked: not all could be read; the job has to run again"
    exit 1
}

# number NAME JSON: the first number of this name
number() {
    sed -n "/\"$1\":/{s/.*\"$1\": *\([0-9.]*\).*/\1/p;q;}" "$2"
}

# find_adapter FQ SCRATCH: the adapter of single-end reads, as fastp finds it in the first 100,000 of them, or nothing
find_adapter() {
    head -n 400000 <(unpacked "$1") >"$2.fastq"
    fastp --in1 "$2.fastq" --json "$2.json" --html /dev/null --thread 1 --dont_eval_duplication 2>/dev/null &&
        sed -n 's/.*"read1_adapter_sequence": "\([ACGT]*\)".*/\1/p' "$2.json"
    rm -f "$2.fastq" "$2.json"
}

# text NAME JSON: the first text of this name, without escapes
text() {
    sed -n "/\"$1\":/{s/.*\"$1\": *\"\([^\"\\\\]*\).*/\1/p;q;}" "$2"
}
