/// \file What the sanitizers are told about libraries that are not ours.
#if defined(__SANITIZE_ADDRESS__)
/// fontconfig keeps its caches until the process ends, and OSMesa what it made its contexts from.
extern "C" __attribute__((visibility("default"))) const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libfontconfig\nleak:libOSMesa\n"; }
#endif
#if defined(__SANITIZE_THREAD__)
/// Mesa draws with threads of its own, which it synchronises in ways that the sanitizer does not see.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:swrast_dri.so\nrace:libgallium\nrace:libOSMesa.so\n";
}
#endif
