/* The library's own header includes nothing that edgekd's sketches use. */
#pragma once
