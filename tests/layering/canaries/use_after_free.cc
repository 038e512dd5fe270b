// AddressSanitizer must stop this program.
int main() {
  volatile int* number = new int(1);
  delete number;
  return *number;
}
