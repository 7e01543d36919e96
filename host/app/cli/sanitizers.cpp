/// \file Leaks in third-party libraries that LeakSanitizer is to ignore.
#if defined(__SANITIZE_ADDRESS__)
/// fontconfig keeps its caches until the process ends, which would be reported as leaks.
extern "C" __attribute__((visibility("default"))) const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libfontconfig\n"; }
#endif
