"""Names in generated C and C++: of models, and of what belongs to a tensor.

The name of a model is followed by `_` and a word wherever it stands in C, so that only its files can collide: with
headers, and with files beside it. What belongs to a tensor has a prefix of one letter and `_`, which no keyword, macro
or function of the headers in use begins with. So a tensor may have any name.
"""

from edgekd.program.lowering.names import stem

LONGEST_MODEL_NAME = 64

_WORDS = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl concept const consteval
    constexpr constinit continue decltype default delete do double else enum explicit export extern false float for
    friend goto if inline int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private
    protected public register reinterpret_cast requires restrict return short signed sizeof static struct switch
    template this throw true try typedef typeid typename typeof union unsigned using virtual void volatile wchar_t
    while xor xor_eq linux unix arm std null main setup loop
"""
"""Keywords of C and C++, macros that compilers predefine, and the functions that every sketch has."""

_FILES = """
    aio aliases alloca ar arduino argz arm_acle arm_bf16 arm_cde arm_cmse arm_fp16 arm_mve arm_mve_types arm_neon
    assert avr binary byteswap client complex cpio crypt ctype devctl dirent dlfcn elf endian envlock envz err errno
    error execinfo fastmath fcntl features fenv float fmtmsg fnmatch fts ftw gcov getdata getopt glob grp iconv
    ieeefp ifaddrs inttypes iso646 itoa langinfo libgen limits link locale locks malloc math mbed mcheck memory
    mmintrin model_data monetary mqueue ndbm netdb newlib nl_types nss paths pgmspace pins_arduino poll print
    printable printf pthread pty pwd re_comp reent regdef regex regexp resolv rtos sched search self_test semaphore
    sensor server setjmp sgtty shadow signal spawn spi stab stdalign stdarg stdatomic stdbit stdbool stddef stdfix
    stdint stdio stdio_ext stdlib stdnoreturn stream string strings sys syslog tar termio termios tgmath threads
    time uchar ucontext udp ulimit unctrl unistd unwind utime utmp utmpx values varargs variant wait wchar wctype
    wire wordexp wprogram wstring
"""
"""Headers of C, POSIX, newlib and Arduino's cores, and files that edgekd writes beside the model's."""
_RESERVED = frozenset(_WORDS.split()) | frozenset(_FILES.split())


def model_name(text: str) -> str:
    """`text` as the prefix of a model's functions and files: an identifier in lower case, other characters `_`.

    'model_' comes before what starts with a digit, is a word of C, a header, or looks like edgekd's own names.
    """
    name = stem(text, LONGEST_MODEL_NAME)
    if not name or name[0].isdigit() or name in _RESERVED or name.startswith("edgekd"):
        name = f"model_{name}".rstrip("_")
    return name


def variable(tensor: str) -> str:
    """The pointer to a tensor's elements."""
    return f"t_{tensor}"


def element(tensor: str) -> str:
    """One element of a tensor, in a loop."""
    return f"v_{tensor}"


def constant(tensor: str) -> str:
    """A constant that belongs to a tensor: an array, a layer, its quantization."""
    return f"k_{tensor}"
