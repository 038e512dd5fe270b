// ThreadSanitizer must stop this program.
#include <thread>

int main() {
  int number = 0;
  std::thread other([&number] { ++number; });
  ++number;
  other.join();
  return number == 2 ? 0 : 1;
}
