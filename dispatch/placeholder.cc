#include "dispatch/cancellation.h"
#include "dispatch/status.h"
