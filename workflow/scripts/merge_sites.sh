# shellcheck shell=bash
# Sourced by the rule that makes one table of an organism's known variants; sample_step.sh has `unpacked`.

# merge_sites FASTA OUTPUT SCRATCH [FILE NAME]...: the sites of all VCF files on the contigs of FASTA, which has an index,
# in its order, once each, as a bgzip VCF with its index. Prints what is wrong with a file, by the name that the user gave
# it, and stops there.
merge_sites() {
    local fasta=$1 fai=$1.fai output=$2 scratch=$3 problem
    shift 3
    while [ $# -gt 0 ]; do
        : >"$scratch/sites.bases"
        problem=$(sites_of "$fai" "$scratch/sites" "$1" "$2")
        [ -n "$problem" ] || problem=$(other_bases "$fasta" "$scratch/sites.bases" "$2")
        [ -z "$problem" ] || { echo "$problem" && return; }
        shift 2
    done
    {
        echo '##fileformat=VCFv4.2'
        echo '##INFO=<ID=END,Number=1,Type=Integer,Description="Last base of the variant">'
        awk -F '\t' '{ print "##contig=<ID=" $1 ",length=" $2 ">" }' "$fai"
        printf '#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n'
        LC_ALL=C sort -t $'\t' -k1,1n -k3,3n -k5 -u -S 500M -T "$scratch" "$scratch/sites" | cut -f 2-
    } | bgzip -c >"$output"
    tabix -p vcf "$output"
}

# sites_of FAI SITES FILE NAME: adds the sites of one VCF file to SITES, each after the rank of its contig. Only what tells
# where a variant lies is kept, so that other columns may be as they like; contigs that the genome lacks are left out. The
# first thousand of one base, and each thousandth after them, go to SITES.bases.
sites_of() {
    local fai=$1 sites=$2 file=$3 name=$4 code=0
    unpacked "$file" >"$sites.vcf" 2>/dev/null || code=$?
    [ "$code" -le 1 ] || exit "$code" # 1 is gzip's word on the file; all else is no fault of it
    if [ "$code" = 1 ]; then
        echo "$name ends in the middle of its gzip stream: it was cut; bring the file again"
        return
    fi
    awk -F '\t' -v name="$name" -v sites="$sites" '
        function wrong(what) { problem = what; exit }
        FNR == NR { rank[$1] = FNR; size[$1] = $2; if (FNR <= 5) ours = ours (ours ? ", " : "") $1; next }
        { sub(/\r$/, "") }
        FNR == 1 && !/^##fileformat=VCF/ { wrong("is no VCF file, which starts with ##fileformat=VCF") }
        /^##contig=</ {
            contig = length_ = $0
            sub(/.*[<,]ID=/, "", contig); sub(/[,>].*/, "", contig)
            if (sub(/.*[<,]length=/, "", length_)) {
                sub(/[,>].*/, "", length_)
                if (contig in size && length_ + 0 != size[contig])
                    wrong("has " length_ " bases of contig " contig ", the genome " size[contig])
            }
        }
        /^#/ || !NF { next }
        NF < 5 { wrong("has " NF " columns in row " FNR ", a VCF file has 8 or more") }
        !($1 in rank) { left_out++; if (!theirs[$1]++ && ++shown <= 5) others = others (others ? ", " : "") $1; next }
        $2 !~ /^[0-9]+$/ { wrong("has " $2 " for a position in row " FNR) }
        $2 + length($4) - 1 > size[$1] { wrong("has a variant at " $1 ":" $2 ", and the contig ends at " size[$1]) }
        {
            kept++
            if ($4 ~ /^[ACGTacgt]$/ && $1 !~ /:/ && (kept <= 1000 || kept % 1000 == 0)) print $1 ":" $2 "-" $2, $4 >> sites ".bases"
            print rank[$1], $1, $2, ".", $4, $5, ".", ".", match($8, /(^|;)END=[0-9]+/) ? end($8) : "." >> sites
        }
        function end(info) { info = substr(info, RSTART, RLENGTH); sub(/^;/, "", info); return info }
        END {
            if (problem) print name " " problem "; take the file of the genome'\''s assembly"
            else if (!kept && left_out)
                print name " lies on other contigs (" others ") than the genome (" ours "); name the contigs alike: bcftools annotate --rename-chrs"
            else if (!kept) print name " has no variants; bring the file again, or take it out of known_sites"
            else print kept " sites of " name ", " left_out + 0 " left out on contigs that the genome lacks" > "/dev/stderr"
        }' OFS='\t' "$fai" "$sites.vcf"
    rm -f "$sites.vcf"
}

# other_bases FASTA BASES NAME: says whether more than a tenth of the places of BASES (contig:first-last, base) have another
# base in the genome, as they have where positions are those of another assembly whose contigs have the same names.
other_bases() {
    local fasta=$1 bases=$2 name=$3
    [ -s "$bases" ] || return 0
    cut -f 1 "$bases" >"$bases.places"
    samtools faidx --region-file "$bases.places" "$fasta" >"$bases.fa"
    awk -v name="$name" '
        FNR == NR { theirs[$1] = toupper($2); next }
        /^>/ { place = substr($1, 2); next }
        {
            seen++
            ours = toupper($1)
            if (ours ~ /[ACGT]/ && ours != theirs[place] && !other++)
                first = place " is " theirs[place] " there and " ours " in the genome"
        }
        END {
            sub(/-[0-9]+ is /, " is ", first)
            if (other * 10 > seen)
                print name " has other bases than the genome at " other " of " seen " variants (" first "); take the file of the genome'\''s assembly"
        }' "$bases" "$bases.fa"
}
