/// \file What the sanitizers are told about libraries that are not ours.
#if defined(__SANITIZE_ADDRESS__)
/// fontconfig keeps its caches until the process ends.
extern "C" __attribute__((visibility("default"))) const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libfontconfig\n"; }
#endif
