# shellcheck shell=bash
# Sourced by the rules that align the reads of a sample; sample_step.sh says how a sample fails.

# as_fastp_wants FILE LINK: a link to a file of reads whose name tells whether it is gzip, as fastp needs it to; prints it
as_fastp_wants() {
    local LC_ALL=C start=
    IFS= read -r -n 2 -d '' start <"$1" || true
    local link=$2.fastq
    [ "$start" != $'\x1f\x8b' ] || link+=.gz
    ln -s "$(realpath "$1")" "$link"
    echo "$link"
}

# reads_of_bwa LOG: how many reads bwa mem took, by what it says of its batches
reads_of_bwa() {
    awk '/^\[M::process\] read / { reads += $3 } END { print reads + 0 }' "$1"
}

# platform_unit READ DEFAULT: flow cell and lane, from the name of a read as Illumina writes it, else the default.
# INSTRUMENT:RUN:FLOWCELL:LANE:TILE:X:Y, or INSTRUMENT:LANE:TILE:X:Y before that.
platform_unit() {
    local fields
    IFS=: read -ra fields <<<"${1%% *}"
    case ${#fields[@]} in
        [789]) echo "${fields[2]}.${fields[3]}" ;;
        5) echo "${fields[0]##*[!A-Za-z0-9_-]}.${fields[1]}" ;;
        *) echo "$2" ;;
    esac
}

# patterned READ: true where the instrument in a read's name has patterned flow cells: HiSeq 3000, 4000 and X, NovaSeq,
# NextSeq 1000 and 2000, NovaSeq X, iSeq
patterned() {
    local instrument=${1%%:*}
    [[ ${instrument##*|} =~ ^(ST-)?([JKE][0-9]{5}|A[0-9]{5}|VH[0-9]{5}|LH[0-9]{5}|FS[0-9]{8})$ ]]
}

# optical_distance READ: how many pixels apart two clusters may be one that was seen twice, as Picard's manual has it
optical_distance() {
    if patterned "$1"; then echo 2500; else echo 100; fi
}

# contig_problem HEADER FAI NAME: prints what is wrong with the contigs of an aligned file, nothing where they are those of
# the reference, in its order
contig_problem() {
    awk -F '\t' -v name="$3" '
        FNR == NR { order[++wanted] = $1; length_of[$1] = $2; next }
        $1 == "@SQ" {
            found++
            contig = size = ""
            for (field = 2; field <= NF; field++) {
                if ($field ~ /^SN:/) contig = substr($field, 4)
                if ($field ~ /^LN:/) size = substr($field, 4)
            }
            if (!(contig in length_of)) problem = "has the contig " contig ", which the organism lacks"
            else if (length_of[contig] != size)
                problem = "has " size " bases of " contig ", the organism " length_of[contig]
            else if (order[found] != contig)
                problem = "has " contig " where the organism has " order[found] ": the order is another"
            if (problem) exit
        }
        END {
            if (!problem && !found) problem = "names no contigs"
            else if (!problem && found < wanted) problem = "lacks the contig " order[found + 1]
            if (problem)
                print name " " problem "; it was aligned to another reference: name that as the organism, or give the reads"
        }' "$2" "$1"
}

# read_group_problem HEADER SAMPLE NAME: prints what is wrong with the read groups of an aligned file. Where qualities are
# recalibrated, a read group goes by its platform unit, or ID, in tables with blanks between columns.
read_group_problem() {
    awk -F '\t' -v sample="$2" -v name="$3" '
        BEGIN { header = ": samtools head FILE >HEADER; edit its @RG lines; samtools reheader HEADER FILE >NEW" }
        $1 == "@RG" {
            found++
            group = who = ""
            named = 0
            for (field = 2; field <= NF; field++) {
                if ($field ~ /^ID:/) group = substr($field, 4)
                if ($field ~ /^SM:/) who = substr($field, 4)
                if ($field ~ /^PU:/) { named = 1; unit = substr($field, 4) }
            }
            if (!named) unit = group
            if (who == "") problem = "does not say whose the read group " group " is (SM)"
            else if (who != sample) problem = "is of the sample " who " (read group " group ", SM), not of " sample
            else if (unit !~ /^[^ ]+$/) {
                problem = "has the platform unit \047" unit "\047 (read group " group ", PU)"
                remedy = ", and tables of qualities take none with blanks; write a PU without" header
            }
            if (problem) exit
        }
        END {
            if (!found) {
                problem = "has no read groups"
                remedy = "; add one: samtools addreplacerg -r ID:1 -r SM:" sample " -r LB:1 -o NEW FILE"
            }
            # Read groups keep their lanes and libraries only where nothing else is changed.
            else if (!remedy) remedy = "; correct the sample in the table, or SM" header
            if (problem) print name " " problem remedy
        }' "$1"
}

# alignment_failed CODE STEP LOG NAME OUTPUT...: after samtools failed with CODE to read an aligned file. Only what it
# says of the file itself ends the sample.
alignment_failed() {
    local code=$1 step=$2 log=$3 name=$4
    shift 4
    grep -qiE 'truncated|EOF marker is absent|Error (reading|decoding)|failed to decode|CRC32|corrupt|inflate|Unable to fetch reference|MD5 .*match|md5sum' "$log" ||
        exit "$code"
    fail_sample "$step: $name cannot be read to its end, it was cut, damaged or made with another reference; bring the file again" "$@"
}

# java_options MEGABYTES: for a job that may take so much; the rest is for Java itself
java_options() {
    echo "-Xmx$(($1 * 3 / 4))m -XX:+UseSerialGC"
}

# picard_sum COLUMN FILE: the values of a column in a table of Picard's, summed
picard_sum() {
    awk -F '\t' -v name="$1" '
        /^## METRICS CLASS/ { getline; for (field = 1; field <= NF; field++) if ($field == name) column = field; next }
        column && !NF { exit }
        column { sum += $column }
        END { print sum + 0 }' "$2"
}
