# shellcheck shell=bash
# Sourced by the rules of one sample. Reads that cannot be used end their sample, not the run: the step leaves the reason
# in `failed.txt` in its output directory, and the steps after it pass it on. Whatever else goes wrong (a killed job, a
# full disk, a tool that breaks) fails the job, as in any rule.

# A command that fails ends the job, also in a pipe and in $(...): this takes the place of what Snakemake sets.
set -euo pipefail
shopt -s inherit_errexit

# fail_sample REASON OUTPUT...: ends the job well, with the reason in place of its results: in a file, which a name with a
# dot is, or in failed.txt in a directory
fail_sample() {
    local reason=$1 output
    shift
    for output in "$@"; do
        rm -rf "$output"
        case ${output##*/} in
            *.*) printf '# no result: %s\n' "$reason" >"$output" ;;
            *)
                mkdir -p "$output"
                printf '%s\n' "$reason" >"$output/failed.txt"
                ;;
        esac
    done
    echo "this sample fails: $reason"
    exit
}

# why_failed OUTPUT: why an earlier step left no result, as fail_sample wrote it; nothing where there is one
why_failed() {
    local LC_ALL=C
    if [ ! -d "$1" ]; then
        head -c 4000 "$1" | tr -d '\0' | sed -n '1s/^# no result: //p'
    elif [ -e "$1/failed.txt" ]; then
        cat "$1/failed.txt"
    fi
}

# stop_if_failed EARLIER... -- OUTPUT...: where an earlier step of the sample failed, so does this one, for that reason
stop_if_failed() {
    local earlier=() one reason
    while [ "$1" != -- ]; do
        earlier+=("$1")
        shift
    done
    shift
    for one in "${earlier[@]}"; do
        reason=$(why_failed "$one")
        [ -z "$reason" ] || fail_sample "$reason" "$@"
    done
}

# step_failed CODE STEP LOG OUTPUT...: after a command that failed with CODE. Only what Salmon says of the reads
# themselves ends the sample; check_reads has read them all before.
step_failed() {
    local code=$1 step=$2 log=$3 reason
    shift 3
    reason=$(grep 'salmon was only able to assign' "$log") ||
        exit "$code"
    fail_sample "$step: $(tail -n 1 <<<"$reason" | sed $'s/\e\\[[0-9;]*m//g; s/.*] salmon/salmon/; s/ *You can change.*//' | cut -c 1-400)" "$@"
}

# unpacked FILE: its text, whether it is gzip or plain; its last line gets its end where that lacks, so that no two lines
# of two files become one
unpacked() {
    local LC_ALL=C start=
    IFS= read -r -n 2 -d '' start <"$1" || true
    if [ "$start" = $'\x1f\x8b' ]; then
        gzip -cd "$1" | awk 1
    else
        awk 1 <"$1"
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
        echo "the tool did not write how many reads it saw, so its output is not whole: is the disk full? the job has to run again"
        exit 1
    fi
    [ "$1" = "$2" ] && return
    echo "$1 reads came through, $2 were checked: not all could be read; the job has to run again"
    exit 1
}

# reads_left CHECKED [FASTP]: how many reads come to the step after: those that fastp left, or without it all that were
# checked
reads_left() {
    if [ $# -gt 1 ]; then
        number passed_filter_reads "$2/fastp.json"
    else
        number reads "$1/reads.json"
    fi
}

# none_left FASTP_JSON: of reads of which trimming left none, how many went for what reason
none_left() {
    echo "of $(number total_reads "$1") reads none is left: $(number too_short_reads "$1") are too short," \
        "$(number low_quality_reads "$1") poor, $(number too_many_N_reads "$1") have too many unknown bases;" \
        "look at the sequencing, or switch trimming off"
}

# number NAME JSON: the first number of this name
number() {
    sed -n "/\"$1\":/{s/.*\"$1\": *\([0-9.]*\).*/\1/p;q;}" "$2"
}

# n_limit MAX_N CHECKED: how many N a read may have: MAX_N, or below 1 this share of the mean length that CHECKED tells,
# rounded down; at most 50, which is the most that fastp takes
n_limit() {
    awk -v max="$1" -v mean="$(number mean_read_length "$2")" '
        BEGIN { limit = max < 1 ? max * mean + 1e-6 : max; print int(limit < 50 ? limit : 50) }'
}

# find_adapter FQ SCRATCH: the adapter of single-end reads, as fastp finds it in the first 100,000 of them, or nothing
find_adapter() {
    head -n 400000 <(unpacked "$1") >"$2.fastq"
    fastp --in1 "$2.fastq" --json "$2.json" --html /dev/null --thread 1 --dont_eval_duplication 2>/dev/null
    sed -n 's/.*"read1_adapter_sequence": "\([ACGT]*\)".*/\1/p' "$2.json"
    rm -f "$2.fastq" "$2.json"
}

# two_colours READ: true where the instrument in a read's name sees G where it sees nothing: NextSeq, NovaSeq, MiniSeq, iSeq.
# fastp cuts such tails of G by itself only in files, and of the instruments of its day (0.23: NS, NB, NDX, A0).
two_colours() {
    [[ $1 =~ ^(NS|NB|NDX|A0|(VH|LH|MN|FS)[0-9]) ]]
}

# text NAME JSON: the first text of this name, without escapes
text() {
    sed -n "/\"$1\":/{s/.*\"$1\": *\"\([^\"\\\\]*\).*/\1/p;q;}" "$2"
}
